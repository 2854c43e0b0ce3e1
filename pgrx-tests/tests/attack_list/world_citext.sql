-- The part of the world that needs the contrib module citext; left out where the server does not have it.
CREATE EXTENSION citext;
CREATE TABLE handles (handle citext PRIMARY KEY, owner text);
INSERT INTO handles VALUES ('Ann', 'x'), ('bob', 'x'), ('Bert', 'y'), ('zoe', 'y');
GRANT ALL ON handles TO app;
SELECT backstop.protect('handles');
