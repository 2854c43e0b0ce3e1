-- The part of the world that needs collations of ICU; left out where the server was built without it.
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1-ka-shifted', deterministic = false);
CREATE TABLE names (name text PRIMARY KEY, label text);
INSERT INTO names VALUES ('Ann', 'x'), ('ANN', 'x'), ('bob', 'y'), ('Bob', 'y'), ('zoe', 'z');
CREATE TABLE loose_names (name text COLLATE loose PRIMARY KEY, label text);
INSERT INTO loose_names VALUES ('Ann', 'x'), ('bob', 'y');
GRANT ALL ON names, loose_names TO app;
SELECT backstop.protect(relation::regclass) FROM unnest(ARRAY['names', 'loose_names']) relation;
