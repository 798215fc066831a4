-- The orders that the sample events name, each as its event finds it. The local cloud runs this after its deployment, so
-- `sam local invoke` has something to work on. One statement, as the Data API wants it; an order that exists stays as it is.
WITH sample (order_id, status, items) AS (VALUES
  ('019aa5b0-7a00-7abc-8def-0123456789ab', 'PLACED',    '{"flat-white": 1, "mint-tea": 1}'),  -- StartFulfilment
  ('019aa5b0-7a00-7abc-8def-0123456789a1', 'PLACED',    '{"flat-white": 1, "mint-tea": 1}'),  -- ReserveStock
  ('019aa5b0-7a00-7abc-8def-0123456789a2', 'RESERVED',  '{"flat-white": 1, "mint-tea": 1}'),  -- ChargeAccount
  ('019aa5b0-7a00-7abc-8def-0123456789a3', 'CHARGED',   '{"flat-white": 1, "mint-tea": 1}'),  -- CompleteOrder
  ('019aa5b0-7a00-7abc-8def-0123456789a4', 'RESERVED',  '{"flat-white": 1, "mint-tea": 1}'),  -- RefundAccount
  ('019aa5b0-7a00-7abc-8def-0123456789a5', 'PLACED',    '{"saffron-bun": 4}'),                -- RejectOrder
  ('019aa5b0-7a00-7abc-8def-0123456789a6', 'COMPLETED', '{"flat-white": 1, "mint-tea": 1}'),  -- NotifyCustomer
  ('019aa5b0-7a00-7abc-8def-0123456789a7', 'COMPLETED', '{"flat-white": 1, "mint-tea": 1}')   -- GetOrder
), line AS (
  SELECT CAST(s.order_id AS uuid) AS order_id, s.status, row_number() OVER (PARTITION BY s.order_id ORDER BY m.position) - 1 AS position,
         m.item_id, m.name, CAST(i.quantity AS integer) AS quantity, m.price_cents
  FROM sample s CROSS JOIN LATERAL jsonb_each_text(CAST(s.items AS jsonb)) AS i(item_id, quantity) JOIN menu_item m USING (item_id)
), placed AS (
  INSERT INTO orders (order_id, customer_id, email, status, total_cents, currency, idempotency_key, request_hash, placed_at)
  SELECT order_id, '7d1f5c1e-2b7a-4c55-9a4e-3f0f5a0c1111', 'ada@example.com', status, sum(quantity * price_cents), 'EUR',
         'sample-' || order_id, 'sample', TIMESTAMPTZ '2026-11-21 09:00:00Z'
  FROM line
  GROUP BY order_id, status
  ON CONFLICT DO NOTHING
  RETURNING order_id, status, placed_at
), lines AS (
  INSERT INTO order_line (order_id, position, item_id, name, quantity, price_cents)
  SELECT order_id, position, item_id, name, quantity, price_cents FROM placed JOIN line USING (order_id)
), timeline AS (
  INSERT INTO order_event (order_id, status, at)
  SELECT order_id, step.status, placed_at + step.ordinality * INTERVAL '1 second' - INTERVAL '1 second'
  FROM placed CROSS JOIN unnest(ARRAY['PLACED', 'RESERVED', 'CHARGED', 'COMPLETED']) WITH ORDINALITY AS step(status, ordinality)
  WHERE step.ordinality <= array_position(ARRAY['PLACED', 'RESERVED', 'CHARGED', 'COMPLETED'], placed.status)
  ORDER BY order_id, step.ordinality
)
-- What these orders hold is not on the shelf.
UPDATE menu_item m SET stock = m.stock - held.quantity
FROM (SELECT item_id, sum(quantity) AS quantity FROM placed JOIN line USING (order_id)
      WHERE placed.status <> 'PLACED' GROUP BY item_id) AS held
WHERE m.item_id = held.item_id
