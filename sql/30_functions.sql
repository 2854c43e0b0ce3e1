-- The functions. Each is C, so that search_path cannot change what it does; what runs SQL inside pins it itself.

-- The trigger every guarded table carries. Its WHEN condition is evaluated at the moment the row has been removed or
-- overwritten, with the row at hand: counting and capturing happen there, and the AFTER event is not even queued.
CREATE FUNCTION backstop.capture_row() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_capture_row';
COMMENT ON FUNCTION backstop.capture_row() IS 'trigger condition of guarded tables: counts and records the row';

CREATE FUNCTION backstop.capture() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_capture';
COMMENT ON FUNCTION backstop.capture() IS 'trigger of guarded tables: records rows changed outside the executor';

CREATE FUNCTION backstop.guard_truncate() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_guard_truncate';
COMMENT ON FUNCTION backstop.guard_truncate() IS 'trigger of protected tables: refuses TRUNCATE where the library was not loaded';

CREATE FUNCTION backstop.protect(relation regclass, key_columns text[] DEFAULT NULL, max_rows bigint DEFAULT NULL,
    expendable text DEFAULT NULL, require text DEFAULT 'over_limit', approval text DEFAULT 'session') RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_protect';

CREATE FUNCTION backstop.unprotect(relation regclass) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_unprotect';

CREATE FUNCTION backstop.protect_columns(relation regclass, columns text[], upstream text) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_protect_columns';

CREATE FUNCTION backstop.unprotect_columns(relation regclass, columns text[]) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_unprotect_columns';

CREATE FUNCTION backstop.protect_sequence(sequence regclass, max_step bigint DEFAULT 0, min_value bigint DEFAULT NULL,
    max_value bigint DEFAULT NULL, allow_backward boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_protect_sequence';

CREATE FUNCTION backstop.unprotect_sequence(sequence regclass) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_unprotect_sequence';

-- An approval is the session's own statement of intent, so everyone may make one.
CREATE FUNCTION backstop.approve_batch(reason text, max_rows bigint, relations text[] DEFAULT NULL,
    operations text[] DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'backstop_approve_batch';

CREATE FUNCTION backstop."check"(statement text)
RETURNS TABLE (rule text, sqlstate text, message text, detail text, hint text)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'backstop_check';

CREATE FUNCTION backstop.status() RETURNS TABLE (property text, value text)
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'backstop_status';

-- backstop.capture() stays executable: the owner of a partitioned table who makes a partition makes the clone of its
-- trigger, and PostgreSQL asks whether that role may execute the trigger's function.
REVOKE ALL ON FUNCTION
    backstop.registry_changed(), backstop.guard_truncate(),
    backstop.protect(regclass, text[], bigint, text, text, text), backstop.unprotect(regclass),
    backstop.protect_columns(regclass, text[], text), backstop.unprotect_columns(regclass, text[]),
    backstop.protect_sequence(regclass, bigint, bigint, bigint, boolean), backstop.unprotect_sequence(regclass)
FROM PUBLIC;

-- What setval calls become once a sequence is registered. It checks that the user may execute setval, and setval checks
-- the sequence's privileges.
CREATE FUNCTION backstop.guarded_setval(sequence regclass, value bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_guarded_setval';
CREATE FUNCTION backstop.guarded_setval(sequence regclass, value bigint, is_called boolean) RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_guarded_setval';

-- Said outright, because a database may have revoked PUBLIC's default.
GRANT EXECUTE ON FUNCTION backstop.capture_row(), backstop.capture(),
    backstop.approve_batch(text, bigint, text[], text[]), backstop."check"(text), backstop.status(),
    backstop.guarded_setval(regclass, bigint), backstop.guarded_setval(regclass, bigint, boolean)
TO PUBLIC;

-- Whether statements are judged from the first one on depends on how sessions load the library: say so at once.
DO $$
DECLARE
    loaded text := (SELECT value FROM backstop.status() WHERE property = 'loaded by');
BEGIN
    -- PostgreSQL lets an extension's script send nothing below a WARNING.
    IF loaded NOT LIKE '%preload_libraries' THEN
        RAISE WARNING 'pg_backstop is not preloaded: a session''s first statement on a protected table is refused with SF012'
            USING HINT = 'Add pg_backstop to shared_preload_libraries, or ALTER DATABASE ... SET session_preload_libraries = ''pg_backstop''.';
    END IF;
END
$$;
