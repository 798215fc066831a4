-- The menu that the café opens with.
INSERT INTO menu_item (position, item_id, name, category, price_cents, stock) VALUES
  ( 1, 'espresso',          'Espresso',                'coffee',      250, 1000),
  ( 2, 'double-espresso',   'Double espresso',         'coffee',      320, 1000),
  ( 3, 'cappuccino',        'Cappuccino',              'coffee',      360,  800),
  ( 4, 'flat-white',        'Flat white',              'coffee',      390,  800),
  ( 5, 'filter-coffee',     'Filter coffee',           'coffee',      290, 1000),
  ( 6, 'earl-grey',         'Earl Grey',               'tea',         310,  600),
  ( 7, 'mint-tea',          'Fresh mint tea',          'tea',         330,  400),
  ( 8, 'croissant',         'Butter croissant',        'pastry',      220,  500),
  ( 9, 'cinnamon-roll',     'Cinnamon roll',           'pastry',      280,  300),
  (10, 'carrot-cake',       'Carrot cake',             'pastry',      420,  200),
  (11, 'saffron-bun',       'Saffron bun of the day',  'pastry',      350,    3),
  (12, 'granola',           'Granola with yoghurt',    'breakfast',   650,  200),
  (13, 'scrambled-eggs',    'Scrambled eggs on toast', 'breakfast',   890,  200),
  (14, 'sandwich-platter',  'Platter of sandwiches',   'catering',   4500,  200),
  (15, 'conference-buffet', 'Conference buffet',       'catering',  12000,   50);
