-- How far the long captures, previews and restores of all sessions have come. One sees one's own roles' work; superusers
-- and members of pg_read_all_stats see everyone's, in every database.
CREATE FUNCTION backstop.work_under_way()
RETURNS TABLE (pid int, datname name, session_role name, what text, phase text, relation text, statement_id bigint,
    rows_done bigint, rows_total bigint, since timestamptz)
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'backstop_work_under_way';
COMMENT ON FUNCTION backstop.work_under_way() IS 'what backstop.progress shows';

CREATE VIEW backstop.progress AS
SELECT pid, datname, session_role, what, phase, relation, statement_id, rows_done, rows_total, since
FROM backstop.work_under_way();

GRANT EXECUTE ON FUNCTION backstop.work_under_way() TO PUBLIC;
GRANT SELECT ON backstop.progress TO PUBLIC;
