-- The menu and what is in stock. Stock moves when an order is reserved, and back when it is rejected.
CREATE TABLE menu_item (
  item_id     text    PRIMARY KEY CHECK (item_id ~ '^[a-z0-9-]{1,64}$'),
  position    integer NOT NULL,
  name        text    NOT NULL,
  category    text    NOT NULL,
  price_cents integer NOT NULL CHECK (price_cents >= 0),
  stock       integer NOT NULL CHECK (stock >= 0)
);

-- Status alone says what an order holds: its items are out of the stock while it is RESERVED, CHARGED or COMPLETED.
CREATE TABLE orders (
  order_id        uuid        PRIMARY KEY,
  customer_id     text        NOT NULL,
  email           text,
  status          text        NOT NULL CHECK (status IN ('PLACED', 'RESERVED', 'CHARGED', 'COMPLETED', 'REJECTED')),
  rejecting       boolean     NOT NULL DEFAULT false,
  total_cents     bigint      NOT NULL CHECK (total_cents >= 0),
  currency        text        NOT NULL,
  reason_code     text,
  reason_message  text,
  idempotency_key text        NOT NULL,
  request_hash    text        NOT NULL,
  placed_at       timestamptz NOT NULL,
  UNIQUE (customer_id, idempotency_key),
  CHECK ((status = 'REJECTED') = (reason_code IS NOT NULL))
);

COMMENT ON COLUMN orders.rejecting IS 'a refund has begun: it can end in REJECTED only';

-- Order ids are UUIDv7: their order is the order in time.
CREATE INDEX orders_of_customer ON orders (customer_id, order_id DESC);

-- Name and price as they were when the order was placed.
CREATE TABLE order_line (
  order_id    uuid    NOT NULL REFERENCES orders,
  position    integer NOT NULL,
  item_id     text    NOT NULL REFERENCES menu_item,
  name        text    NOT NULL,
  quantity    integer NOT NULL CHECK (quantity > 0),
  price_cents integer NOT NULL,
  PRIMARY KEY (order_id, position),
  UNIQUE (order_id, item_id)
);

-- The timeline: an order is in each status once.
CREATE TABLE order_event (
  order_id uuid        NOT NULL REFERENCES orders,
  status   text        NOT NULL,
  at       timestamptz NOT NULL,
  seq      bigint      GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (order_id, status)
);

-- Events to publish, written in the transaction that they report.
CREATE TABLE outbox (
  event_id        uuid        PRIMARY KEY,
  type            text        NOT NULL,
  version         integer     NOT NULL,
  occurred_at     timestamptz NOT NULL,
  correlation_id  text        NOT NULL,
  order_id        uuid        NOT NULL REFERENCES orders,
  customer_id     text        NOT NULL,
  total_cents     bigint      NOT NULL,
  currency        text        NOT NULL,
  reason_code     text,
  attempts        integer     NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL,
  published_at    timestamptz
);

CREATE INDEX outbox_unpublished ON outbox (next_attempt_at) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX outbox_of_order ON outbox (order_id);

-- Which events were mailed; sent_at is missing while a mail is on its way.
CREATE TABLE notification (
  event_id   uuid        PRIMARY KEY,
  claimed_at timestamptz NOT NULL,
  sent_at    timestamptz
);
