//! Whose the things are that a restore makes again, and as whom what their owners wrote runs while it makes them: several
//! owners' objects refer to each other, and none of their code may run as another owner, nor as who restores.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, database, database_with, passes, query_text, refused, schema_dump,
};

const LAST: &str = "(SELECT max(statement_id) FROM backstop.statement)";

fn destroy(admin: &mut Client, damage: &str) {
    passes(
        admin,
        &format!("BEGIN; SELECT backstop.approve_batch('OPS-1', 1000); {damage}; COMMIT"),
    );
}

/// Makes a collation by which letters are equal whatever their case.
fn collation(name: &str) -> String {
    format!(
        "CREATE COLLATION {name} (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
}

/// Tries the last statement in every way, for real at last, each in a session that has planned nothing.
fn restore_in_every_way(db: &Database) {
    for sql in [
        format!("SELECT * FROM backstop.restore({LAST})"),
        "SELECT * FROM backstop.restore_drill()".to_owned(),
        format!("SELECT * FROM backstop.restore_conflicts({LAST})"),
        format!("SELECT * FROM backstop.restore({LAST}, dry_run => false)"),
    ] {
        passes(&mut db.connect(), &sql);
    }
}

/// `mine` of app and `theirs` of reviewer, whose indexes, statistics and checks call functions of constants that tell, in
/// sequences that no rollback takes back, whether somebody else runs them.
const KEYS: &str = "
    CREATE SCHEMA f; GRANT ALL ON SCHEMA f TO PUBLIC;
    CREATE SEQUENCE f.caught; GRANT ALL ON SEQUENCE f.caught TO PUBLIC;
    CREATE FUNCTION f.watch(whose name) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN IF current_user <> whose THEN PERFORM nextval('f.caught'); END IF; RETURN true; END $$;
    CREATE FUNCTION f.is(whose name, n int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN RETURN f.watch(whose); END $$;
    SET SESSION AUTHORIZATION app;
    CREATE TABLE f.mine (id int PRIMARY KEY, v int, CHECK (f.is('app', 1) AND v > 0)); GRANT REFERENCES, SELECT ON f.mine TO PUBLIC;
    CREATE INDEX ON f.mine (v) WHERE f.is('app', 1); CREATE STATISTICS f.mine_stat ON (f.is('app', 2)), v FROM f.mine;
    SET SESSION AUTHORIZATION reviewer;
    CREATE TABLE f.theirs (id int PRIMARY KEY, mine int REFERENCES f.mine ON DELETE CASCADE, CHECK (f.is('reviewer', 1) AND id > 0));
    CREATE INDEX ON f.theirs (mine) WHERE f.is('reviewer', 1);
    CREATE STATISTICS f.theirs_stat ON (f.is('reviewer', 2)), mine FROM f.theirs;
    CREATE TABLE f.parts (id int, mine int CONSTRAINT parts_key REFERENCES f.mine, PRIMARY KEY (id)) PARTITION BY LIST (id);
    CREATE TABLE f.part1 PARTITION OF f.parts FOR VALUES IN (1); CREATE TABLE f.part2 PARTITION OF f.parts FOR VALUES IN (2);
    RESET SESSION AUTHORIZATION;
    INSERT INTO f.mine SELECT g, g FROM generate_series(1, 5) g; INSERT INTO f.theirs SELECT g, g FROM generate_series(1, 5) g;
    INSERT INTO f.parts VALUES (1, 1), (2, 4);
    SELECT backstop.protect('f.mine'), backstop.protect('f.theirs'), backstop.protect('f.parts');
    ALTER SEQUENCE f.caught RESTART";

#[test]
fn nobody_s_code_runs_as_another_when_foreign_keys_are_checked() {
    for damage in [
        "DELETE FROM f.mine WHERE v = 2",
        "UPDATE f.theirs SET mine = 3 WHERE id = 2",
        "INSERT INTO f.mine VALUES (6, 6); UPDATE f.mine SET v = 7 WHERE v = 2",
        "DELETE FROM f.parts WHERE id = 1",
        "TRUNCATE f.mine CASCADE",
        "DROP TABLE f.theirs",
        "DROP TABLE f.mine CASCADE",
        "DROP TABLE f.parts",
        "DROP TABLE f.part1",
        "ALTER TABLE f.parts DETACH PARTITION f.part1",
        "ALTER TABLE f.theirs DROP COLUMN mine",
        "ALTER TABLE f.mine DROP COLUMN id CASCADE",
        "ALTER TABLE f.mine DROP CONSTRAINT mine_pkey CASCADE; DELETE FROM f.mine WHERE v = 5",
    ] {
        let (db, mut admin) = database_with(KEYS);
        let rows = "SELECT (SELECT json_agg(m ORDER BY id) FROM f.mine m), (SELECT json_agg(t ORDER BY id) FROM f.theirs t),
                           (SELECT json_agg(p ORDER BY id) FROM f.parts p)";
        let before = (query_text(&mut admin, rows), schema_dump(&db, "f"));
        destroy(&mut admin, damage);
        passes(&mut admin, "SELECT setval('f.caught', 1, false)");
        restore_in_every_way(&db);
        let caught = "SELECT is_called FROM f.caught";
        assert_eq!(query_text(&mut admin, caught), "f", "{damage}");
        if !damage.contains(';') && !damage.contains("COLUMN") {
            let after = (query_text(&mut admin, rows), schema_dump(&db, "f"));
            assert_eq!(before, after, "{damage}");
        }
        let invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated";
        assert_eq!(query_text(&mut admin, invalid), "0", "{damage}");
    }
}

#[test]
fn partitions_of_several_owners_are_asked_one_by_one() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA f; GRANT ALL ON SCHEMA f TO PUBLIC; CREATE SEQUENCE f.caught; GRANT ALL ON SEQUENCE f.caught TO PUBLIC;
         CREATE FUNCTION f.watch(whose name) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN IF current_user <> whose THEN PERFORM nextval('f.caught'); END IF; RETURN true; END $$;
         CREATE FUNCTION f.is(whose name, n int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN f.watch(whose); END $$;
         CREATE TABLE f.mine (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
         CREATE TABLE f.low PARTITION OF f.mine FOR VALUES FROM (0) TO (3); CREATE TABLE f.high PARTITION OF f.mine FOR VALUES FROM (3) TO (9);
         ALTER TABLE f.low OWNER TO app; ALTER TABLE f.high OWNER TO reviewer;
         CREATE TABLE f.theirs (id int PRIMARY KEY, mine int REFERENCES f.mine ON DELETE CASCADE);
         INSERT INTO f.mine SELECT g, g FROM generate_series(1, 5) g; INSERT INTO f.theirs SELECT g, g FROM generate_series(1, 5) g;
         CREATE INDEX ON f.low (v) WHERE f.is('app', 1); CREATE INDEX ON f.high (v) WHERE f.is('reviewer', 1);
         SELECT backstop.protect('f.mine'), backstop.protect('f.theirs')",
    );
    destroy(&mut admin, "DELETE FROM f.theirs WHERE mine IN (2, 4)");
    passes(&mut admin, "SELECT setval('f.caught', 1, false)");
    restore_in_every_way(&db);
    assert_eq!(
        query_text(&mut admin, "SELECT is_called FROM f.caught"),
        "f"
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM f.theirs"), "5");
    destroy(
        &mut admin,
        "DELETE FROM f.theirs WHERE mine = 4; DELETE FROM f.mine WHERE id = 4",
    );
    let lost = refused(
        &mut admin,
        "SELECT * FROM backstop.restore((SELECT min(statement_id) FROM backstop.statement), false, 'skip')",
    );
    assert_eq!(lost.sqlstate, "23503");
    assert_eq!(
        lost.detail,
        "Key (mine)=(4) is not present in table \"f.mine\"."
    );
}

#[test]
fn keys_of_arrays_and_of_collations_are_compared() {
    // Not every server has ICU.
    let (db, mut admin) = database_with("SELECT 1");
    let odd = match admin.batch_execute(&collation("odd")) {
        Ok(()) => "odd",
        Err(_) => "\"C\"",
    };
    let other = if odd == "odd" { "aB" } else { "Ab" };
    passes(
        &mut admin,
        &format!(
        "CREATE TYPE pair AS (x int, y int);
         CREATE TABLE p (k pair PRIMARY KEY); INSERT INTO p VALUES ('(1,2)'), ('(3,4)');
         CREATE TABLE a (k int[] PRIMARY KEY, t text COLLATE {odd} UNIQUE, n text COLLATE \"C\" UNIQUE);
         CREATE TABLE b (id int PRIMARY KEY, k int[] REFERENCES a, t text COLLATE {odd} REFERENCES a (t), n text COLLATE \"C\" REFERENCES a (n),
                         p pair DEFAULT '(3,4)' REFERENCES p);
         INSERT INTO a VALUES ('{{1,2}}', 'Ab', 'x'), ('{{3}}', 'c', 'y'); INSERT INTO b VALUES (1, '{{1,2}}', '{other}', 'x'), (2, '{{3}}', 'c', 'y');
         SELECT backstop.protect('a'), backstop.protect('b'), backstop.protect('p')"
        ),
    );
    destroy(&mut admin, "DELETE FROM b WHERE id IN (1, 2)");
    restore_in_every_way(&db);
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM b"), "2");
    for damage in ["DROP TABLE a CASCADE", "DROP TABLE p CASCADE"] {
        destroy(&mut admin, damage);
        restore_in_every_way(&db);
    }
    destroy(
        &mut admin,
        "DELETE FROM b WHERE id = 1; DELETE FROM a WHERE n = 'x'",
    );
    let lost = refused(
        &mut admin,
        "SELECT * FROM backstop.restore((SELECT min(statement_id) FROM backstop.statement), false, 'skip')",
    );
    assert_eq!(lost.sqlstate, "23503");
}

#[test]
fn an_owner_without_rights_on_his_own_table_is_lent_them() {
    let (_db, mut admin) = database_with(
        "CREATE SCHEMA closed; CREATE TABLE closed.a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES closed.a);
         INSERT INTO closed.a VALUES (1); INSERT INTO b VALUES (1, 1); ALTER TABLE closed.a OWNER TO app;
         REVOKE ALL ON closed.a FROM app; SELECT backstop.protect('b')",
    );
    destroy(&mut admin, "DELETE FROM b WHERE id = 1");
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({LAST}, false)"),
    );
    let rights = "SELECT (SELECT count(*) FROM b), has_schema_privilege('app', 'closed', 'USAGE'),
                         has_table_privilege('app', 'closed.a', 'SELECT'), has_table_privilege('app', 'closed.a', 'UPDATE')";
    assert_eq!(query_text(&mut admin, rights), "1|f|f|f");
}

#[test]
fn a_function_is_its_owner_s_before_anything_can_call_it() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA m2 AUTHORIZATION app; CREATE SCHEMA shop AUTHORIZATION app; CREATE SEQUENCE public.caught;
         GRANT ALL ON SEQUENCE public.caught TO PUBLIC; SET SESSION AUTHORIZATION app;
         CREATE FUNCTION m2.chk(v int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
             $$ BEGIN BEGIN PERFORM shop.evil(); PERFORM shop.closed(); EXCEPTION WHEN OTHERS THEN NULL; END; RETURN true; END $$;
         CREATE DOMAIN m2.dom AS int CHECK (m2.chk(value));
         CREATE FUNCTION shop.evil() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
             $$ BEGIN IF current_user <> 'app' THEN PERFORM nextval('public.caught'); END IF; END $$;
         CREATE TABLE shop.users (id int PRIMARY KEY); INSERT INTO shop.users VALUES (1); RESET SESSION AUTHORIZATION;
         CREATE FUNCTION shop.closed() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT nextval('public.caught') $$;
         REVOKE ALL ON FUNCTION shop.closed() FROM PUBLIC; SET SESSION AUTHORIZATION app;
         CREATE FUNCTION shop.g(a m2.dom[] DEFAULT '{1}') RETURNS int LANGUAGE sql AS 'SELECT 1'; RESET SESSION AUTHORIZATION;
         SELECT backstop.protect('shop.users')",
    );
    let before = schema_dump(&db, "shop");
    destroy(&mut admin, "DROP SCHEMA shop CASCADE");
    passes(&mut admin, "SELECT setval('public.caught', 1, false)");
    restore_in_every_way(&db);
    assert_eq!(
        query_text(&mut admin, "SELECT is_called FROM public.caught"),
        "f"
    );
    assert_eq!(before, schema_dump(&db, "shop"));
}

#[test]
fn what_runs_for_a_role_that_is_gone_does_not_come_back_to_who_restores() {
    let db = database();
    let mut admin = db.connect();
    let role = format!("gone_{}", std::process::id());
    for made in [
        "CREATE FUNCTION s.of(s.t) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; ALTER FUNCTION s.of(s.t) OWNER TO :role",
        "CREATE VIEW s.shown AS SELECT * FROM s.t; ALTER VIEW s.shown OWNER TO :role",
        "ALTER TABLE s.t OWNER TO :role",
    ] {
        passes(
            &mut admin,
            &format!(
                "CREATE ROLE {role}; CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); INSERT INTO s.t VALUES (1);
                 {}; SELECT backstop.protect('s.t')",
                made.replace(":role", &role)
            ),
        );
        destroy(&mut admin, "DROP TABLE s.t CASCADE");
        passes(&mut admin, &format!("DROP ROLE {role}"));
        let restore = format!("SELECT * FROM backstop.restore({LAST}, false)");
        let refusal = refused(&mut admin, &restore);
        assert!(
            refusal.message.ends_with("its owner is gone"),
            "{}",
            refusal.message
        );
        assert!(
            refusal.hint.contains(&format!("CREATE ROLE {role}")),
            "{}",
            refusal.hint
        );
        passes(&mut admin, &format!("CREATE ROLE {role}; {restore}"));
        let owned = format!("SELECT (SELECT count(*) FROM pg_class WHERE relowner = '{role}'::regrole AND relkind <> 'i')
                                  + (SELECT count(*) FROM pg_proc WHERE proowner = '{role}'::regrole)");
        assert_eq!(query_text(&mut admin, &owned), "1", "{made}");
        destroy(
            &mut admin,
            &format!("DROP SCHEMA s CASCADE; DROP OWNED BY {role}; DROP ROLE {role}"),
        );
    }
}

#[test]
fn functions_with_comments_and_privileges_go_along() {
    for made in [
        "CREATE FUNCTION zc.label(zc.t) RETURNS text LANGUAGE sql AS 'SELECT $1.v'; REVOKE ALL ON FUNCTION zc.label(zc.t) FROM PUBLIC",
        "CREATE FUNCTION zc.both(zc.t, zc.t) RETURNS text LANGUAGE sql AS 'SELECT $1.v'; GRANT EXECUTE ON FUNCTION zc.both TO app",
        "CREATE FUNCTION zc.\"Odd (name\"(zc.t) RETURNS text LANGUAGE sql AS 'SELECT $1.v'; COMMENT ON FUNCTION zc.\"Odd (name\" IS 'x'",
    ] {
        let (db, mut admin) = database_with(
            "CREATE SCHEMA zc; CREATE TABLE zc.t (id int PRIMARY KEY, v text); INSERT INTO zc.t VALUES (1, 'a'); SELECT backstop.protect('zc.t')",
        );
        passes(&mut admin, made);
        let before = schema_dump(&db, "zc");
        passes(
            &mut admin,
            "SELECT * FROM backstop.preview('DROP TABLE zc.t CASCADE')",
        );
        destroy(&mut admin, "DROP TABLE zc.t CASCADE");
        restore_in_every_way(&db);
        assert_eq!(before, schema_dump(&db, "zc"), "{made}");
    }
}

#[test]
fn types_come_back_with_defaults_checks_and_collations() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA n2; SET search_path = n2;
         CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE SEQUENCE sq; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 7';
         CREATE DOMAIN dm AS mood DEFAULT 'ok'; CREATE DOMAIN df AS int DEFAULT f(); CREATE DOMAIN ds AS int DEFAULT nextval('sq');
         CREATE DOMAIN late AS int CHECK (VALUE < 100);
         CREATE TYPE co AS (a text COLLATE \"C\", b int); CREATE DOMAIN dd AS text COLLATE \"C\";
         CREATE TABLE t (id int PRIMARY KEY, d dd UNIQUE, c co, m dm, f df, s ds, l late); RESET search_path;
         INSERT INTO n2.t VALUES (1, 'a', '(x,1)', 'bad', 1, 1, 50);
         ALTER DOMAIN n2.late ADD CONSTRAINT small CHECK (VALUE < 10) NOT VALID; SELECT backstop.protect('n2.t')",
    );
    let before = schema_dump(&db, "n2");
    destroy(&mut admin, "DROP SCHEMA n2 CASCADE");
    restore_in_every_way(&db);
    assert_eq!(before, schema_dump(&db, "n2"));
    assert_eq!(query_text(&mut admin, "SELECT l FROM n2.t"), "50");
    passes(&mut admin, "INSERT INTO n2.t (id) VALUES (2)");
    assert_eq!(
        query_text(&mut admin, "SELECT m, f FROM n2.t WHERE id = 2"),
        "ok|7"
    );
}

#[test]
fn tables_come_back_where_they_were_whatever_the_session_prefers() {
    let (_db, mut admin) = database_with(
        "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE INDEX ON t (v); INSERT INTO t VALUES (1, 1); SELECT backstop.protect('t')",
    );
    let space = format!("space_{}", std::process::id());
    if query_text(
        &mut admin,
        "SELECT current_setting('server_version_num')::int >= 150000",
    ) == "f"
    {
        return;
    }
    passes(&mut admin, "SET allow_in_place_tablespaces = on");
    passes(
        &mut admin,
        &format!("CREATE TABLESPACE {space} LOCATION ''"),
    );
    destroy(&mut admin, "DROP TABLE t");
    passes(&mut admin, &format!("SET default_tablespace = {space}"));
    passes(
        &mut admin,
        &format!("SELECT * FROM backstop.restore({LAST}, false)"),
    );
    let elsewhere = format!(
        "SELECT count(*) FROM pg_class WHERE reltablespace = (SELECT oid FROM pg_tablespace WHERE spcname = '{space}')"
    );
    assert_eq!(query_text(&mut admin, &elsewhere), "0");
    passes(&mut admin, &format!("DROP TABLESPACE {space}"));
}

/// What ALTER DEFAULT PRIVILEGES gives to what is made now was not given to what was dropped.
#[test]
fn nobody_gets_a_privilege_by_default_that_was_not_there() {
    let (db, mut admin) = database_with(
        "CREATE SCHEMA s; GRANT USAGE ON SCHEMA s TO PUBLIC;
         CREATE TABLE s.never (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY); INSERT INTO s.never VALUES (1);
         ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON TABLES TO outsider, PUBLIC;
         ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON SEQUENCES TO outsider;
         ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT ALL ON FUNCTIONS TO outsider;
         CREATE TABLE s.secret (id int PRIMARY KEY, v text); REVOKE ALL ON s.secret FROM outsider, PUBLIC;
         INSERT INTO s.secret VALUES (1, 'x');
         CREATE TABLE s.apps (id int PRIMARY KEY); ALTER TABLE s.apps OWNER TO app; REVOKE ALL ON s.apps FROM outsider, PUBLIC;
         CREATE VIEW s.seen AS SELECT v FROM s.secret; REVOKE ALL ON s.seen FROM PUBLIC;
         CREATE FUNCTION s.first(s.secret) RETURNS text LANGUAGE sql AS 'SELECT $1.v';
         REVOKE ALL ON FUNCTION s.first(s.secret) FROM outsider, PUBLIC;
         SELECT backstop.protect('s.never'), backstop.protect('s.secret'), backstop.protect('s.apps')",
    );
    let privileges = "
        SELECT string_agg(concat_ws(' ', kind, name, role, privilege_type), ', ' ORDER BY 1)
        FROM (SELECT c.relkind::text AS kind, c.relname::text AS name, c.relacl AS acl, c.relowner AS owner
              FROM pg_class AS c WHERE relnamespace = 's'::regnamespace
              UNION ALL SELECT 'f', proname, proacl, proowner FROM pg_proc WHERE pronamespace = 's'::regnamespace) AS o,
            aclexplode(o.acl) AS a, LATERAL (SELECT a.grantee::regrole::text AS role) AS r WHERE a.grantee <> o.owner";
    let before = query_text(&mut admin, privileges);
    for table in ["s.never", "s.apps", "s.secret"] {
        destroy(&mut admin, &format!("DROP TABLE {table} CASCADE"));
        restore_in_every_way(&db);
        assert_eq!(query_text(&mut admin, privileges), before, "{table}");
    }
}

/// Equality of a foreign key goes by the referenced column's collation.
#[test]
fn a_key_that_is_referenced_in_other_letters_stays() {
    let (_db, mut admin) = database_with("SELECT 1");
    if admin.batch_execute(&collation("ci")).is_err() {
        println!("left out: this server lacks ICU");
        return;
    }
    passes(
        &mut admin,
        "CREATE TABLE p (id text COLLATE ci PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pid text COLLATE \"C\" REFERENCES p);
         INSERT INTO p VALUES ('old'); SELECT backstop.protect('p', key_columns => '{id}')",
    );
    destroy(&mut admin, "UPDATE p SET id = 'new' WHERE id = 'old'");
    passes(&mut admin, "INSERT INTO c VALUES (1, 'NEW')");
    let restore = format!("SELECT * FROM backstop.restore({LAST}, false)");
    assert_eq!(refused(&mut admin, &restore).sqlstate, "23503");
    passes(&mut admin, "DELETE FROM c WHERE id = 1");
    passes(&mut admin, &restore);
}

/// A key that is made again is checked against what others have committed since the transaction's snapshot.
#[test]
fn a_key_is_checked_by_the_newest_snapshot() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let (db, mut admin) = database_with(
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p);
             INSERT INTO p SELECT generate_series(1, 10); INSERT INTO c SELECT g, g FROM generate_series(1, 10) g;
             SELECT backstop.protect('c')",
        );
        destroy(&mut admin, "DROP TABLE c");
        passes(
            &mut admin,
            &format!("BEGIN ISOLATION LEVEL {level}; SELECT 1"),
        );
        passes(&mut db.connect(), "DELETE FROM p WHERE id = 5");
        let restore = format!("SELECT * FROM backstop.restore({LAST}, false)");
        let refusal = refused(&mut admin, &restore);
        let told = format!("{} {}", refusal.message, refusal.detail);
        assert!(told.contains("c_pid_fkey"), "{level}: {refusal:?}");
        passes(&mut admin, "ROLLBACK");
    }
}
