-- What calls of nextval, currval and lastval become in the plans of a statement that is being previewed. Called by hand,
-- or outside a preview, each is the function it stands for, with that function's privileges.
CREATE FUNCTION backstop.preview_nextval(sequence regclass) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview_nextval';
CREATE FUNCTION backstop.preview_currval(sequence regclass) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview_currval';
CREATE FUNCTION backstop.preview_lastval() RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview_lastval';

-- An identity column draws its values without a privilege on its sequence. Nobody can write a value of type internal, so
-- nobody but the planner hook can make a call of this one.
CREATE FUNCTION backstop.preview_identity(sequence internal) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview_identity';

GRANT EXECUTE ON FUNCTION backstop.preview_nextval(regclass), backstop.preview_currval(regclass),
    backstop.preview_lastval(), backstop.preview_identity(internal)
TO PUBLIC;
