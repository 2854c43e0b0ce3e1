//! Columns that were renamed, dropped, added or retyped since: a restored value goes into its own column or into none.

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{
    Database, approved, database_with, dumped, last_statement, now, passes, query_text, refused,
};

fn world(sql: &str) -> (Database, Client) {
    database_with(sql)
}

/// Totals: restored, conflicts.
fn go_back(client: &mut Client, at: &str) -> String {
    let total = "SELECT sum(restored), sum(conflicts) FROM backstop.restore_since";
    query_text(client, &format!("{total}('{at}', dry_run => false)"))
}

fn restore(statement: &str) -> String {
    format!(
        "SELECT * FROM backstop.restore({statement}, dry_run => false, on_conflict => 'overwrite')"
    )
}

fn rows(client: &mut Client, query: &str) -> String {
    query_text(
        client,
        &format!("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM ({query}) t"),
    )
}

const SWAP: &str = "ALTER TABLE a RENAME v TO former; ALTER TABLE a RENAME w TO v";

/// What a restore must know of is written with the rename, so each world is destroyed in, renamed, and restored.
fn values_follow_their_columns(tables: &str, destroy: &str) {
    let (_db, mut admin) = world(tables);
    let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
    passes(&mut admin, destroy);
    approved(&mut admin, 1000, SWAP);
    passes(&mut admin, "UPDATE a SET v = 'later' WHERE id = 3");
    go_back(&mut admin, &at);
    assert_eq!(rows(&mut admin, "SELECT id, former, v FROM a"), then);
}

const DESTROY: &str = "DELETE FROM a WHERE id = 1; UPDATE a SET v = 'x' WHERE id = 2; UPDATE a SET w = 'x' WHERE id = 4";

#[test]
fn in_a_table_that_had_lost_a_column() {
    values_follow_their_columns(
        "CREATE TABLE a (lost int, v text, id int PRIMARY KEY, w text); ALTER TABLE a DROP COLUMN lost;
         INSERT INTO a SELECT 'v' || n, n, 'w' || n FROM generate_series(1, 5) n; SELECT backstop.protect('a')",
        DESTROY,
    );
}

#[test]
fn in_a_partitioned_table_whose_partitions_have_other_orders() {
    values_follow_their_columns(
        "CREATE TABLE a (id int PRIMARY KEY, v text, w text) PARTITION BY RANGE (id);
         CREATE TABLE a1 (w text, junk int, v text, id int NOT NULL); ALTER TABLE a1 DROP COLUMN junk;
         ALTER TABLE a ATTACH PARTITION a1 FOR VALUES FROM (0) TO (3); CREATE TABLE a2 PARTITION OF a DEFAULT;
         INSERT INTO a SELECT n, 'v' || n, 'w' || n FROM generate_series(1, 5) n; SELECT backstop.protect('a')",
        DESTROY,
    );
}

#[test]
fn in_an_inheritance_tree() {
    values_follow_their_columns(
        "CREATE TABLE a (id int PRIMARY KEY, v text, w text); CREATE TABLE child (extra int, PRIMARY KEY (id)) INHERITS (a);
         INSERT INTO a VALUES (1, 'v1', 'w1'), (2, 'v2', 'w2'), (5, 'v5', 'w5');
         INSERT INTO child VALUES (3, 'v3', 'w3', 3), (4, 'v4', 'w4', 4); SELECT backstop.protect('a')",
        &format!("{DESTROY}; UPDATE a SET v = 'y' WHERE id = 3"),
    );
}

#[test]
fn renamed_in_the_middle_of_one_statement() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (lost int, id int PRIMARY KEY, v text, w text); ALTER TABLE a DROP COLUMN lost;
         INSERT INTO a SELECT n, 'v' || n, 'w' || n FROM generate_series(1, 5) n; SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "SELECT * FROM a"), now(&mut admin));
    let block = "DO $$ BEGIN DELETE FROM a WHERE id = 1; ALTER TABLE a RENAME v TO former; ALTER TABLE a RENAME w TO v;
                 DELETE FROM a WHERE id = 2; UPDATE a SET v = 'x' WHERE id = 3; END $$";
    approved(&mut admin, 1000, block);
    assert_eq!(go_back(&mut admin, &at), "3|0");
    assert_eq!(rows(&mut admin, "SELECT id, former, v FROM a"), then);
    // What was rolled back has renamed nothing.
    passes(
        &mut admin,
        "BEGIN; SELECT backstop.approve_batch('r', 9); ALTER TABLE a RENAME former TO other; ROLLBACK",
    );
    let noted = "SELECT string_agg(column_name || '>' || new_name, ' ' ORDER BY change_id) FROM backstop.column_change";
    assert_eq!(query_text(&mut admin, noted), "v>former w>v");
}

#[test]
fn a_new_name_that_nobody_noted_is_not_guessed() {
    for (columns, rename, certain) in [
        (
            "id int PRIMARY KEY, lost int, v text, w text",
            "RENAME v TO x",
            false,
        ),
        (
            "id int PRIMARY KEY, lost int, v text, w text",
            "RENAME w TO x",
            false,
        ),
        (
            "id int PRIMARY KEY, v text, w text, lost int",
            "DROP COLUMN v; ALTER TABLE a ADD COLUMN x text",
            true,
        ),
    ] {
        let (_db, mut admin) = world(&format!(
            "CREATE TABLE a ({columns}); ALTER TABLE a DROP COLUMN lost; INSERT INTO a VALUES (1, 'v', 'w'), (2, 'v', 'w');
             SELECT backstop.protect('a'); DELETE FROM a WHERE id = 1"
        ));
        let id = last_statement(&mut admin);
        passes(
            &mut admin,
            &format!("SELECT backstop.unprotect('a'); ALTER TABLE a {rename}"),
        );
        if certain {
            passes(&mut admin, &restore(&id));
            assert_eq!(rows(&mut admin, "SELECT id, w, x FROM a"), "(1,w,) (2,w,)");
            continue;
        }
        let refusal = refused(&mut admin, &restore(&id));
        assert_eq!(refusal.sqlstate, "55000", "{rename}: {refusal:?}");
        assert!(
            refusal.message.contains("not certain what became"),
            "{refusal:?}"
        );
        assert_eq!(query_text(&mut admin, "SELECT count(*) FROM a"), "1");
        // The hint's way out.
        let (new, old) = match rename {
            "RENAME v TO x" => ("x", "v"),
            _ => ("x", "w"),
        };
        passes(&mut admin, &format!("ALTER TABLE a RENAME {new} TO {old}"));
        passes(&mut admin, &restore(&id));
        assert_eq!(
            rows(&mut admin, "SELECT id, v, w FROM a"),
            "(1,v,w) (2,v,w)"
        );
    }
}

#[test]
fn a_type_that_changed_twice_goes_back_at_once_and_step_by_step() {
    for steps in [false, true] {
        let (_db, mut admin) = world(
            "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, '007'), (2, '8'), (3, NULL);
             SELECT backstop.protect('a')",
        );
        let (then, at) = (rows(&mut admin, "SELECT * FROM a"), now(&mut admin));
        approved(
            &mut admin,
            1000,
            "ALTER TABLE a ALTER v TYPE int USING v::int",
        );
        let first = last_statement(&mut admin);
        approved(
            &mut admin,
            1000,
            "ALTER TABLE a ALTER v TYPE numeric USING v / 2.0",
        );
        let second = last_statement(&mut admin);
        passes(&mut admin, "UPDATE a SET v = 0.5 WHERE id = 2");
        if steps {
            passes(&mut admin, &restore(&second));
            assert_eq!(rows(&mut admin, "SELECT * FROM a"), "(1,7) (2,8) (3,)");
            passes(&mut admin, &restore(&first));
        } else {
            go_back(&mut admin, &at);
        }
        assert_eq!(rows(&mut admin, "SELECT * FROM a"), then);
        assert_eq!(
            query_text(&mut admin, "SELECT DISTINCT pg_typeof(v) FROM a"),
            "text"
        );
    }
}

#[test]
fn values_that_only_a_later_type_takes_are_no_obstacle() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v int, w text); INSERT INTO a VALUES (1, 1, 'w'), (2, 2, 'w'), (3, NULL, 'w');
         SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "SELECT * FROM a"), now(&mut admin));
    approved(&mut admin, 1000, "ALTER TABLE a ALTER v TYPE text");
    passes(
        &mut admin,
        "UPDATE a SET v = 'one', w = 'x' WHERE id = 1; UPDATE a SET v = 'uno' WHERE id = 1; UPDATE a SET w = 'x' WHERE id = 3",
    );
    approved(&mut admin, 1000, "ALTER TABLE a ALTER v TYPE varchar(9)");
    passes(&mut admin, "UPDATE a SET v = 'two' WHERE id = 2");
    go_back(&mut admin, &at);
    assert_eq!(rows(&mut admin, "SELECT * FROM a"), then);
    assert_eq!(
        query_text(
            &mut admin,
            "SELECT DISTINCT pg_typeof(v) FROM a WHERE v > 0"
        ),
        "integer"
    );
}

#[test]
fn a_column_that_took_a_dropped_one_s_name_gets_none_of_its_values() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text, w text); INSERT INTO a SELECT n, 'v' || n, 'w' || n FROM generate_series(1, 3) n;
         SELECT backstop.protect('a')",
    );
    let (then, at) = (rows(&mut admin, "SELECT id, v, w FROM a"), now(&mut admin));
    passes(&mut admin, "DELETE FROM a WHERE id = 3");
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a DROP COLUMN v; ALTER TABLE a ADD COLUMN v int DEFAULT 9",
    );
    passes(
        &mut admin,
        "UPDATE a SET v = 8 WHERE id = 1; DELETE FROM a WHERE id = 2",
    );
    let since = format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)");
    let refusal = refused(&mut admin, &since);
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal.message.contains("column \"v\" does not take"),
        "{refusal:?}"
    );
    // Renamed, it makes room, and gets its own values back.
    approved(&mut admin, 1000, "ALTER TABLE a RENAME v TO number");
    go_back(&mut admin, &at);
    assert_eq!(rows(&mut admin, "SELECT id, v, w FROM a"), then);
    assert_eq!(
        rows(&mut admin, "SELECT id, number FROM a"),
        "(1,9) (2,9) (3,9)"
    );
    // A column that has its name by a rename is another one, however it is asked for.
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text, w text); INSERT INTO a VALUES (1, 'v', 'w'), (2, 'v', 'w');
         SELECT backstop.protect('a'); DELETE FROM a WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    approved(
        &mut admin,
        1000,
        "ALTER TABLE a DROP COLUMN v; ALTER TABLE a RENAME w TO v",
    );
    passes(&mut admin, &restore(&id));
    assert_eq!(rows(&mut admin, "SELECT * FROM a"), "(1,w) (2,w)");
}

#[test]
fn a_column_added_since_says_what_it_needs() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'a'), (2, 'b'), (3, 'c');
         SELECT backstop.protect('a'); DELETE FROM a WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    approved(
        &mut admin,
        1000,
        r#"ALTER TABLE a ADD COLUMN "New One" int; UPDATE a SET "New One" = 1; ALTER TABLE a ALTER "New One" SET NOT NULL;
           ALTER TABLE a ADD COLUMN given int NOT NULL DEFAULT 5"#,
    );
    for dry_run in ["true", "false"] {
        let refusal = refused(
            &mut admin,
            &format!("SELECT * FROM backstop.restore({id}, dry_run => {dry_run})"),
        );
        assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
        assert!(
            refusal.message.contains("no value for column \"New One\""),
            "{refusal:?}"
        );
        assert!(
            refusal
                .hint
                .contains(r#"public.a ALTER COLUMN "New One" SET DEFAULT"#),
            "{refusal:?}"
        );
    }
    approved(
        &mut admin,
        1000,
        r#"ALTER TABLE a ALTER "New One" SET DEFAULT 77"#,
    );
    passes(&mut admin, &restore(&id));
    approved(
        &mut admin,
        1000,
        r#"ALTER TABLE a ALTER "New One" DROP DEFAULT"#,
    );
    assert_eq!(
        rows(&mut admin, "SELECT * FROM a"),
        "(1,a,77,5) (2,b,1,5) (3,c,1,5)"
    );
    // A row that is back needs nothing.
    passes(&mut admin, &restore(&id));
}

#[test]
fn a_detached_partition_comes_back_unless_it_was_dropped_unprotected() {
    let tables = "CREATE TABLE p (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
         CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE rest PARTITION OF p DEFAULT;
         INSERT INTO p SELECT n, n % 3, 'v' FROM generate_series(1, 9) n; SELECT backstop.protect('p')";
    for protected in [true, false] {
        let (_db, mut admin) = world(tables);
        let (then, at) = (rows(&mut admin, "TABLE p"), now(&mut admin));
        passes(&mut admin, "UPDATE p SET v = 'x' WHERE id = 1 AND k = 1");
        approved(&mut admin, 1000, "ALTER TABLE p DETACH PARTITION p1");
        let detached = last_statement(&mut admin);
        match protected {
            true => {
                passes(&mut admin, "SELECT backstop.protect('p1')");
                approved(&mut admin, 1000, "DROP TABLE p1");
            }
            false => passes(&mut admin, "DROP TABLE p1"),
        }
        let refusal = refused(&mut admin, &restore(&detached));
        assert!(
            refusal
                .message
                .contains("cannot bring back partition \"public.p1\""),
            "{refusal:?}"
        );
        assert!(refusal.detail.contains("does not exist"), "{refusal:?}");
        if protected {
            go_back(&mut admin, &at);
            assert_eq!(rows(&mut admin, "TABLE p"), then);
        }
    }
}

#[test]
fn a_dump_brings_the_new_names_along() {
    let (db, mut admin) = world(
        "CREATE TABLE a (lost int, v text, id int PRIMARY KEY, w text); ALTER TABLE a DROP COLUMN lost;
         INSERT INTO a SELECT 'v' || n, n, 'w' || n FROM generate_series(1, 3) n; SELECT backstop.protect('a');
         DELETE FROM a WHERE id = 1",
    );
    let id = last_statement(&mut admin);
    approved(&mut admin, 1000, SWAP);
    let database = dumped(&db);
    let mut copy = database.connect();
    passes(&mut copy, &restore(&id));
    assert_eq!(
        rows(&mut copy, "SELECT id, former, v FROM a"),
        "(1,v1,w1) (2,v2,w2) (3,v3,w3)"
    );
    // And those that are given there.
    passes(&mut copy, "DELETE FROM a WHERE id = 2");
    let second = last_statement(&mut copy);
    approved(
        &mut copy,
        1000,
        "ALTER TABLE a RENAME v TO w; ALTER TABLE a RENAME former TO v; DELETE FROM a WHERE id = 1",
    );
    passes(&mut copy, &restore(&id));
    passes(&mut copy, &restore(&second));
    assert_eq!(
        rows(&mut copy, "SELECT id, v, w FROM a"),
        "(1,v1,w1) (2,v2,w2) (3,v3,w3)"
    );
}

#[test]
fn after_a_dump_the_oids_of_the_record_mean_nothing() {
    let (db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT n, 'v' || n FROM generate_series(1, 300) n;
         SELECT backstop.protect('a', max_rows => 1000); DELETE FROM a WHERE id = 1; DELETE FROM a WHERE v > ''",
    );
    passes(
        &mut admin,
        "CREATE TABLE other (id int PRIMARY KEY, v text)",
    );
    let copy = dumped(&db);
    let mut copied = copy.connect();
    let oids = "SELECT string_agg(DISTINCT relid::text, ',') FROM backstop.chunk";
    assert_eq!(query_text(&mut copied, oids), "0");
    let id = query_text(
        &mut copied,
        "SELECT min(statement_id) FROM backstop.statement",
    );
    passes(&mut copied, &restore(&id));
    assert_eq!(rows(&mut copied, "TABLE a"), "(1,v1)");
    let relid = "SELECT count(*) FROM backstop.chunk WHERE relid = 'a'::regclass";
    assert_eq!(
        query_text(&mut copied, relid),
        "1",
        "what is recorded here has the OID"
    );
    // Without its table a row goes nowhere.
    passes(&mut copied, "SELECT backstop.unprotect('a'); DROP TABLE a");
    let refusal = refused(&mut copied, &restore(&id));
    assert_eq!(refusal.sqlstate, "42P01", "{refusal:?}");
    // As it is with any row that comes from elsewhere, with the OID of a table that would do.
    let foreign = "INSERT INTO backstop.statement_log SELECT 9000, at, xid, session_role, role, NULL, NULL, pid, NULL, NULL,
        operations, relations, rows, NULL, NULL, 9000, 'other'::regclass, image_operation, NULL, image_row_count, image_key_count,
        image_columns, images FROM backstop.statement_log WHERE statement_id = ";
    passes(&mut copied, &format!("{foreign}{id}"));
    let refusal = refused(&mut copied, &restore("9000"));
    assert_eq!(refusal.sqlstate, "42P01", "{refusal:?}");
    assert_eq!(query_text(&mut copied, "SELECT count(*) FROM other"), "0");
}

#[test]
fn a_key_that_gave_its_name_away_is_followed() {
    // A follower's columns can be renamed without giving up any protection; the key's new name is noted.
    let (_db, mut admin) = world(
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE a (id int PRIMARY KEY, uid int, p int REFERENCES p ON DELETE CASCADE, v text);
         INSERT INTO p VALUES (1), (2); INSERT INTO a VALUES (1, 100, 1, 'v'), (2, 200, 2, 'v');
         SELECT backstop.protect('p'); DELETE FROM p WHERE id = 1;
         ALTER TABLE a RENAME id TO old_id; ALTER TABLE a RENAME uid TO id",
    );
    passes(&mut admin, &restore("1"));
    assert_eq!(
        rows(&mut admin, "SELECT old_id, id, p, v FROM a"),
        "(1,100,1,v) (2,200,2,v)"
    );
}

#[test]
fn a_key_that_may_have_given_its_name_away_is_not_guessed() {
    let (_db, mut admin) = world(
        "CREATE TABLE a (id int PRIMARY KEY, uid int, v text); INSERT INTO a VALUES (1, 100, 'v'), (2, 200, 'v');
         SELECT backstop.protect('a'); DELETE FROM a WHERE id = 1",
    );
    passes(
        &mut admin,
        "SELECT backstop.unprotect('a'); ALTER TABLE a RENAME id TO old_id; ALTER TABLE a RENAME uid TO id",
    );
    let refusal = refused(&mut admin, &restore("1"));
    assert_eq!(refusal.sqlstate, "55000", "{refusal:?}");
    assert!(
        refusal.message.contains("not certain what became"),
        "{refusal:?}"
    );
    assert_eq!(rows(&mut admin, "SELECT old_id, id, v FROM a"), "(2,200,v)");
}

#[test]
fn values_of_a_column_that_is_gone_are_named() {
    let (db, mut admin) = world(
        "CREATE TABLE z (id int PRIMARY KEY, a text, b text); INSERT INTO z VALUES (1, 'A1', 'B1'), (2, 'A2', NULL);
         SELECT backstop.protect('z')",
    );
    let mut statements = Vec::new();
    for id in [1, 2] {
        passes(&mut admin, &format!("DELETE FROM z WHERE id = {id}"));
        statements.push(last_statement(&mut admin));
    }
    approved(&mut admin, 100, "ALTER TABLE z DROP COLUMN b");
    let drop = last_statement(&mut admin);
    let (mut client, notices) = db.connect_listening("postgres");
    // Nothing of it is left out.
    passes(&mut client, &restore(&statements[1]));
    assert!(notices.take().is_empty());
    passes(&mut client, &restore(&statements[0]));
    let told = notices.take();
    assert_eq!(told.len(), 1, "{told:?}");
    let told = told[0].message();
    assert!(
        told.contains(r#"values of column "b" are not restored: table "public.z""#)
            && told.contains(&format!("backstop.restore({drop},")),
        "{told}"
    );
}
