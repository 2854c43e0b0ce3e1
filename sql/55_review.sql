-- What people see of requests, and the decision against one. The views are the guard: the tables stay closed, and each
-- function that shows something reads these as its caller, so that none runs with more than the caller's privileges.

-- Requests that one may see: one's own; all of them for those who may decide, or were granted the log. The log counts the
-- rows that need the approval; here, as in the steps, rows are all of them.
CREATE VIEW backstop.request WITH (security_barrier) AS
SELECT request_id,
       CASE WHEN used_at IS NOT NULL THEN 'used'
            WHEN decision = 'denied' THEN 'denied'
            WHEN coalesce(token_expires_at, expires_at) <= pg_catalog.clock_timestamp() THEN 'expired'
            WHEN decision = 'approved' THEN 'approved'
            ELSE 'open' END AS state,
       requested_at, session_role::name, role::name, application_name, client_addr, pid, reason, statement, parameters,
       kind, rows + expendable_rows AS rows, expendable_rows, expires_at, decided_at, decided_by::name, decision_reason, token_kind,
       token_expires_at, used_at, used_statement_id
FROM backstop.request_log
WHERE session_role = SESSION_USER
   OR (SELECT pg_catalog.has_function_privilege('backstop.approve(bigint,text)'::pg_catalog.regprocedure, 'EXECUTE'))
   OR (SELECT pg_catalog.has_table_privilege('backstop.request_log'::pg_catalog.regclass, 'SELECT'));

-- Their steps. A sample shows rows, so it is only for those who could read the rows themselves, or decide.
CREATE VIEW backstop.request_detail WITH (security_barrier) AS
SELECT s.request_id, s.step, s.relation, s.operation, s.cause, s.rows, s.expendable_rows, s.columns, s.cleared_columns,
       s.rules,
       CASE WHEN s.operation = 'SETVAL'
                 OR pg_catalog.has_function_privilege(
                     'backstop.approve(bigint,text)'::pg_catalog.regprocedure, 'EXECUTE')
                 OR pg_catalog.has_table_privilege('backstop.request_step'::pg_catalog.regclass, 'SELECT')
                 OR (pg_catalog.has_table_privilege(s.relid, 'SELECT') AND NOT pg_catalog.row_security_active(s.relid))
            THEN s.sample END AS sample
FROM backstop.request_step AS s JOIN backstop.request AS r USING (request_id);

-- Every row they would destroy, in the format of backstop.preimage.
CREATE VIEW backstop.request_row WITH (security_barrier) AS
SELECT c.request_id, c.step, s.relation, s.operation, (image.value ->> 0)::bigint + image.before AS ordinal,
       CASE WHEN allowed.readable THEN
           (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
            FROM pg_catalog.generate_series(1, c.key_count::int) AS n) END AS key,
       CASE WHEN allowed.readable AND s.operation <> 'INSERT' THEN
           (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
            FROM pg_catalog.generate_series(1, pg_catalog.cardinality(c.columns)) AS n) END AS old_row,
       CASE WHEN allowed.readable THEN CASE s.operation
           WHEN 'UPDATE' THEN image.value -> (pg_catalog.cardinality(c.columns) + 1)
           WHEN 'INSERT' THEN
               (SELECT pg_catalog.jsonb_object_agg(c.columns[n], image.value -> n)
                FROM pg_catalog.generate_series(1, pg_catalog.cardinality(c.columns)) AS n)
       END END AS new_values
FROM backstop.request_chunk AS c
JOIN backstop.request_step AS s USING (request_id, step)
JOIN backstop.request AS r USING (request_id)
CROSS JOIN LATERAL (
    SELECT pg_catalog.has_function_privilege(
               'backstop.approve(bigint,text)'::pg_catalog.regprocedure, 'EXECUTE')
           OR pg_catalog.has_table_privilege('backstop.request_chunk'::pg_catalog.regclass, 'SELECT')
           OR (coalesce(pg_catalog.has_table_privilege(s.relid, 'SELECT'), false)
               AND NOT pg_catalog.row_security_active(s.relid)) AS readable
    OFFSET 0 -- asked once for each chunk, not for each row
) AS allowed
CROSS JOIN LATERAL (
    SELECT row_image::jsonb AS value, nth - 1 AS before
    FROM pg_catalog.json_array_elements(backstop.unpacked(c.images)) WITH ORDINALITY AS element(row_image, nth)
    OFFSET 0 -- one conversion per row, not one per column
) AS image;

GRANT SELECT ON backstop.request, backstop.request_detail, backstop.request_row TO PUBLIC;

-- The bodies of the SQL functions below are bound to what they mean when they are made: no search_path changes that.
CREATE FUNCTION backstop.request_rows(request_id bigint)
RETURNS TABLE (relation text, operation text, ordinal bigint, key jsonb, old_row jsonb, new_values jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.relation, r.operation, r.ordinal, r.key, r.old_row, r.new_values
    FROM backstop.request_row AS r
    WHERE r.request_id = request_rows.request_id
    ORDER BY r.step, r.ordinal;
END;
COMMENT ON FUNCTION backstop.request_rows(bigint) IS 'every row that a previewed statement would destroy';

CREATE FUNCTION backstop.preview_tree(request_id bigint) RETURNS SETOF text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'backstop_preview_tree';
COMMENT ON FUNCTION backstop.preview_tree(bigint) IS 'a request as an indented tree of 80 columns';

CREATE FUNCTION backstop.deny(request_id bigint, reason text) RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'backstop_deny';
COMMENT ON FUNCTION backstop.deny(bigint, text) IS 'decides against a request';

-- For programs: a request in one value; NULL when there is none that the caller may see.
CREATE FUNCTION backstop.request_json(request_id bigint) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT pg_catalog.jsonb_build_object(
        'request_id', r.request_id,
        'state', r.state,
        'kind', r.kind,
        'rows', r.rows,
        'expendable_rows', r.expendable_rows,
        'requested_at', r.requested_at,
        'expires_at', coalesce(r.token_expires_at, r.expires_at),
        'session_role', r.session_role,
        'statement', r.statement,
        'parameters', r.parameters,
        'reason', r.reason,
        'decided_by', r.decided_by,
        'decision_reason', r.decision_reason,
        'steps', coalesce((
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                'step', d.step, 'relation', d.relation, 'operation', d.operation, 'cause', d.cause, 'rows', d.rows,
                'expendable_rows', d.expendable_rows, 'columns', d.columns, 'cleared_columns', d.cleared_columns,
                'rules', d.rules, 'sample', d.sample) ORDER BY d.step)
            FROM backstop.request_detail AS d
            WHERE d.request_id = r.request_id AND d.operation <> 'SETVAL'), '[]'),
        'sequences', coalesce((
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('sequence', d.relation, 'rules', d.rules)
                OPERATOR(pg_catalog.||) coalesce(d.sample, '{}') ORDER BY d.step)
            FROM backstop.request_detail AS d
            WHERE d.request_id = r.request_id AND d.operation = 'SETVAL'), '[]'),
        'next', CASE r.state
            WHEN 'open' THEN pg_catalog.jsonb_build_object(
                'review', pg_catalog.format('SELECT * FROM backstop.request_rows(%s)', r.request_id),
                'approve', pg_catalog.format('SELECT backstop.approve(%s, ''why'')', r.request_id),
                'run', 'SELECT * FROM backstop.run(''<token>'')')
            WHEN 'approved' THEN pg_catalog.jsonb_build_object('run', 'SELECT * FROM backstop.run(''<token>'')')
            ELSE pg_catalog.jsonb_build_object('preview', 'SELECT backstop.preview_json(''<statement>'', ''why'')')
            END)
    FROM backstop.request AS r
    WHERE r.request_id = request_json.request_id;
END;
COMMENT ON FUNCTION backstop.request_json(bigint) IS 'a request with its steps and what to do next, for programs';

CREATE FUNCTION backstop.preview_json(statement text, reason text DEFAULT NULL, parameters jsonb DEFAULT NULL)
RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'backstop_preview_json';
COMMENT ON FUNCTION backstop.preview_json(text, text, jsonb) IS 'previews a statement and returns its request as one value';

-- Requests that are settled or ran out, with all that was kept of them. For backstop.prune().
CREATE FUNCTION backstop.prune_requests(keep interval) RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH gone AS (
        DELETE FROM backstop.request_log
        WHERE requested_at < pg_catalog.now() - keep
          AND (used_at IS NOT NULL OR decision IS NOT DISTINCT FROM 'denied'
               OR greatest(token_expires_at, expires_at) < pg_catalog.now())
        RETURNING request_id
    ), steps AS (
        DELETE FROM backstop.request_step AS s USING gone WHERE s.request_id = gone.request_id
    ), chunks AS (
        DELETE FROM backstop.request_chunk AS c USING gone WHERE c.request_id = gone.request_id
    )
    SELECT pg_catalog.count(*) FROM gone;
END;

REVOKE ALL ON FUNCTION backstop.deny(bigint, text), backstop.prune_requests(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION backstop.request_rows(bigint), backstop.preview_tree(bigint), backstop.request_json(bigint),
    backstop.preview_json(text, text, jsonb) TO PUBLIC;
