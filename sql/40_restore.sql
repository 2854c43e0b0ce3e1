-- Getting data back. For superusers and those who are granted it: a restore writes to any recorded table.

CREATE FUNCTION backstop.restore(statement_id bigint, dry_run boolean DEFAULT true, on_conflict text DEFAULT 'abort',
    relations text[] DEFAULT NULL)
RETURNS TABLE (relation text, operation text, captured bigint, restored bigint, unchanged bigint, conflicts bigint)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore';
COMMENT ON FUNCTION backstop.restore(bigint, boolean, text, text[]) IS 'puts back the rows that a recorded statement destroyed';

CREATE FUNCTION backstop.restore_conflicts(statement_id bigint)
RETURNS TABLE (relation text, key jsonb, old_row jsonb, left_as jsonb, current_row jsonb)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore_conflicts';
COMMENT ON FUNCTION backstop.restore_conflicts(bigint) IS 'rows whose present state is not what a recorded statement left';

CREATE FUNCTION backstop.restore_since(at timestamptz, relations text[] DEFAULT NULL, dry_run boolean DEFAULT true,
    on_conflict text DEFAULT 'abort')
RETURNS TABLE (relation text, operation text, captured bigint, restored bigint, unchanged bigint, conflicts bigint)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore_since';
COMMENT ON FUNCTION backstop.restore_since(timestamptz, text[], boolean, text)
IS 'takes tables back to a moment, as far as recorded statements changed them';

CREATE FUNCTION backstop.restore_drill(since interval DEFAULT '1 day')
RETURNS TABLE (statement_id bigint, ok boolean, detail text)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore_drill';
COMMENT ON FUNCTION backstop.restore_drill(interval) IS 'tries whether what was recorded since then can be put back; changes nothing';

CREATE FUNCTION backstop.restore_sequence(statement_id bigint, dry_run boolean DEFAULT true)
RETURNS TABLE (sequence text, present_value bigint, present_is_called boolean, restored_value bigint, restored_is_called boolean,
    outcome text)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore_sequence';
COMMENT ON FUNCTION backstop.restore_sequence(bigint, boolean) IS 'puts sequences back where they stood before a recorded statement';

-- What to do with a sequence that has moved since: on_conflict as in restore().
CREATE FUNCTION backstop.restore_sequence(statement_id bigint, dry_run boolean, on_conflict text)
RETURNS TABLE (sequence text, present_value bigint, present_is_called boolean, restored_value bigint, restored_is_called boolean,
    outcome text)
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_monetary = 'C' AS 'MODULE_PATHNAME', 'backstop_restore_sequence';
COMMENT ON FUNCTION backstop.restore_sequence(bigint, boolean, text) IS 'puts sequences back where they stood before a recorded statement';

REVOKE ALL ON FUNCTION backstop.restore(bigint, boolean, text, text[]), backstop.restore_conflicts(bigint),
    backstop.restore_since(timestamptz, text[], boolean, text), backstop.restore_drill(interval),
    backstop.restore_sequence(bigint, boolean), backstop.restore_sequence(bigint, boolean, text) FROM PUBLIC;

-- What the commands by which a restore converts columns back ask of every row. They run as the table's owner, and answer nobody
-- else: outside of such a command, all they do is fail.
CREATE FUNCTION backstop.is_recorded(relation oid, place tid) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_is_recorded';
COMMENT ON FUNCTION backstop.is_recorded(oid, tid) IS 'whether the row that a restore is converting gets its recorded values';
CREATE FUNCTION backstop.recorded_value(of_type anyarray, place integer) RETURNS anyelement
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_recorded_value';
COMMENT ON FUNCTION backstop.recorded_value(anyarray, integer) IS 'the recorded value of a column of that row';
CREATE FUNCTION backstop.recorded_array(of_type anyarray, place integer) RETURNS anyarray
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_recorded_value';
COMMENT ON FUNCTION backstop.recorded_array(anyarray, integer) IS 'as recorded_value(), of a column that is an array';
CREATE FUNCTION backstop.comes_back(present anyelement, back anyelement, of_type text) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'backstop_comes_back';
COMMENT ON FUNCTION backstop.comes_back(anyelement, anyelement, text)
IS 'raises an error unless a value that stays is what another type gives back of it';
GRANT EXECUTE ON FUNCTION backstop.is_recorded(oid, tid), backstop.recorded_value(anyarray, integer),
    backstop.recorded_array(anyarray, integer), backstop.comes_back(anyelement, anyelement, text) TO PUBLIC;
