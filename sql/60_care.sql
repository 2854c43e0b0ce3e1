-- Care of the record: it is append-only, and prune alone makes it shorter.

-- The hooks refuse such statements before any trigger fires. Where the library is not loaded yet, the trigger loads it.
CREATE FUNCTION backstop.guard_record() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_guard_record';
COMMENT ON FUNCTION backstop.guard_record() IS 'trigger of the record''s tables: refuses every change of what is written';

DO $$
DECLARE
    record_table text;
BEGIN
    FOREACH record_table IN ARRAY ARRAY['statement_log', 'image_chunk', 'definition', 'sequence_change', 'column_change', 'committed', 'pruned', 'rejection'] LOOP
        EXECUTE format('CREATE TRIGGER guard_record BEFORE UPDATE OR DELETE OR TRUNCATE ON backstop.%I
            FOR EACH STATEMENT EXECUTE FUNCTION backstop.guard_record()', record_table);
        EXECUTE format('ALTER TABLE backstop.%I ENABLE ALWAYS TRIGGER guard_record', record_table);
    END LOOP;
END
$$;
CREATE TRIGGER guard_record INSTEAD OF UPDATE OR DELETE ON backstop.chunk
    FOR EACH ROW EXECUTE FUNCTION backstop.guard_record();
CREATE TRIGGER guard_record INSTEAD OF UPDATE OR DELETE ON backstop.preimage
    FOR EACH ROW EXECUTE FUNCTION backstop.guard_record();

-- jsonb_populate_record takes a recorded value for JSON that is a string: columns of json and jsonb would hold that.
CREATE FUNCTION backstop.populate_record(base anyelement, old_row jsonb) RETURNS anyelement
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    row_type constant regtype := pg_typeof(base);
    columns text;
BEGIN
    SELECT string_agg(format('($1 ->> %L)::%s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
    INTO columns
    FROM pg_type AS t
    JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE t.oid = row_type;
    IF columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
            MESSAGE = format('argument "base" is of type %s, which is no row of a table', row_type),
            HINT = 'Cast NULL to the table''s row type: backstop.populate_record(NULL::users, old_row).';
    END IF;
    EXECUTE 'SELECT ' || columns INTO base USING old_row;
    RETURN base;
END
$$;
COMMENT ON FUNCTION backstop.populate_record(anyelement, jsonb) IS 'a recorded row as a row of its table, in plain SQL';
GRANT EXECUTE ON FUNCTION backstop.populate_record(anyelement, jsonb) TO PUBLIC;

-- What a dump or a publication brings was recorded in another database: its OIDs are other tables' here. The library writes
-- without triggers.
CREATE FUNCTION backstop.forget_oid() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'backstop_forget_oid';
COMMENT ON FUNCTION backstop.forget_oid() IS 'trigger of the record''s tables: rows from another database are found by their tables'' names';
CREATE TRIGGER forget_oid BEFORE INSERT ON backstop.statement_log
    FOR EACH ROW WHEN (NEW.image_relid <> 0) EXECUTE FUNCTION backstop.forget_oid('image_relid');
CREATE TRIGGER forget_oid BEFORE INSERT ON backstop.image_chunk
    FOR EACH ROW WHEN (NEW.relid <> 0) EXECUTE FUNCTION backstop.forget_oid('relid');
CREATE TRIGGER forget_oid BEFORE INSERT ON backstop.column_change
    FOR EACH ROW WHEN (NEW.relid <> 0) EXECUTE FUNCTION backstop.forget_oid('relid');
ALTER TABLE backstop.statement_log ENABLE ALWAYS TRIGGER forget_oid;
ALTER TABLE backstop.image_chunk ENABLE ALWAYS TRIGGER forget_oid;
ALTER TABLE backstop.column_change ENABLE ALWAYS TRIGGER forget_oid;

CREATE FUNCTION backstop.prune(keep interval) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_prune';
COMMENT ON FUNCTION backstop.prune(interval) IS 'removes the statements from the record that are older than keep';

-- At most so many of them at a time.
CREATE FUNCTION backstop.prune(keep interval, max_statements bigint) RETURNS bigint
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_prune';
COMMENT ON FUNCTION backstop.prune(interval, bigint) IS 'removes statements from the record that are older than keep, a number of them at most';

REVOKE ALL ON FUNCTION backstop.guard_record(), backstop.forget_oid(), backstop.prune(interval), backstop.prune(interval, bigint) FROM PUBLIC;
