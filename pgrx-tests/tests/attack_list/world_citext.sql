-- The part of the world that needs the contrib module citext; left out where the server does not have it.
CREATE EXTENSION citext;
CREATE TABLE handles (handle citext PRIMARY KEY, owner text, nick citext NOT NULL DEFAULT 'n');
INSERT INTO handles VALUES ('Ann', 'x', 'A'), ('bob', 'x', 'b'), ('Bert', 'y', 'B'), ('zoe', 'y', 'Z');
GRANT ALL ON handles TO app;
SELECT backstop.protect('handles');
