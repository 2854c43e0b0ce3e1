-- The part of the world that an ordinary application has: orders with their lines, a queue of documents, and a table per key
-- type that the rest of the world lacks.
CREATE TABLE orders (id serial PRIMARY KEY, user_id bigint, total numeric, status text DEFAULT 'new',
    updated_at timestamptz DEFAULT '2026-01-01Z', lock_version int DEFAULT 0, payload jsonb DEFAULT '{}', deleted_at timestamptz,
    position int);
INSERT INTO orders (user_id, total, status, position, payload)
    SELECT n % 5, n * 10, CASE WHEN n % 2 = 0 THEN 'new' ELSE 'old' END, n, jsonb_build_object('id', n) FROM generate_series(1, 20) n;
CREATE TABLE lines (order_id int, line_no int, sku text, PRIMARY KEY (order_id, line_no));
INSERT INTO lines SELECT o, l, 's' || l FROM generate_series(1, 4) o, generate_series(1, 4) l;
CREATE TABLE queue (payload jsonb);
INSERT INTO queue VALUES ('{"id": 3, "ids": ["1", "2"]}'), ('{"id": 4, "ids": []}');
CREATE TABLE audiences (name text, ids bigint[]);
INSERT INTO audiences VALUES ('a', '{1,2}');
CREATE TABLE codes (code char(5) PRIMARY KEY, note text);
INSERT INTO codes SELECT 'c' || n, 'x' FROM generate_series(1, 9) n;
CREATE TABLE days (day date PRIMARY KEY, note text);
INSERT INTO days SELECT '2026-01-01'::date + n, 'x' FROM generate_series(1, 9) n;
CREATE TABLE stamps (at timestamp PRIMARY KEY, note text);
INSERT INTO stamps SELECT '2026-01-01'::timestamp + n * interval '1 hour', 'x' FROM generate_series(1, 9) n;
CREATE TABLE hosts (ip inet PRIMARY KEY, note text);
INSERT INTO hosts SELECT ('10.0.0.' || n)::inet, 'x' FROM generate_series(1, 9) n;
CREATE TABLE sets (members int[] PRIMARY KEY, note text);
INSERT INTO sets SELECT ARRAY[n, n], 'x' FROM generate_series(1, 9) n;
CREATE TABLE spans (span int4range PRIMARY KEY, note text);
INSERT INTO spans SELECT int4range(n, n + 1), 'x' FROM generate_series(1, 9) n;
CREATE TABLE docs (doc jsonb PRIMARY KEY, note text);
INSERT INTO docs SELECT to_jsonb(n), 'x' FROM generate_series(1, 9) n;
CREATE TABLE coupons (id bigint PRIMARY KEY, kind text NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
    code text GENERATED ALWAYS AS ('C-' || id::text) STORED, label text GENERATED ALWAYS AS (kind || id::text) STORED,
    title text GENERATED ALWAYS AS (upper(kind)) STORED);
DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        EXECUTE 'ALTER TABLE coupons ADD COLUMN tenfold bigint GENERATED ALWAYS AS (id * 10) VIRTUAL';
    END IF;
END $$;
INSERT INTO coupons (id, kind) SELECT n, CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 9) n;
GRANT ALL ON orders, lines, queue, audiences, codes, days, stamps, hosts, sets, spans, docs, coupons TO app;
GRANT ALL ON SEQUENCE orders_id_seq TO app;
SELECT backstop.protect(relation::regclass)
    FROM unnest(ARRAY['orders', 'lines', 'codes', 'days', 'stamps', 'hosts', 'sets', 'spans', 'docs', 'coupons']) relation;
