-- Care of the record: it is append-only, and prune alone makes it shorter.

-- The hooks refuse such statements before any trigger fires. Where the library is not loaded yet, the trigger loads it.
CREATE FUNCTION backstop.guard_record() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_guard_record';
COMMENT ON FUNCTION backstop.guard_record() IS 'trigger of the record''s tables: refuses every change of what is written';

DO $$
DECLARE
    record_table text;
BEGIN
    FOREACH record_table IN ARRAY ARRAY['statement_log', 'image_chunk', 'definition', 'sequence_change', 'committed', 'pruned', 'rejection'] LOOP
        EXECUTE format('CREATE TRIGGER guard_record BEFORE UPDATE OR DELETE OR TRUNCATE ON backstop.%I
            FOR EACH STATEMENT EXECUTE FUNCTION backstop.guard_record()', record_table);
        EXECUTE format('ALTER TABLE backstop.%I ENABLE ALWAYS TRIGGER guard_record', record_table);
    END LOOP;
END
$$;

CREATE FUNCTION backstop.prune(keep interval) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_prune';
COMMENT ON FUNCTION backstop.prune(interval) IS 'removes the statements from the record that are older than keep';

-- At most so many of them at a time.
CREATE FUNCTION backstop.prune(keep interval, max_statements bigint) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_prune';
COMMENT ON FUNCTION backstop.prune(interval, bigint) IS 'removes statements from the record that are older than keep, a number of them at most';

REVOKE ALL ON FUNCTION backstop.guard_record(), backstop.prune(interval), backstop.prune(interval, bigint) FROM PUBLIC;
