//! A dump restored where the library cannot be loaded: the record is read there with plain SQL.

use pg_backstop_tests::{
    Cluster, ClusterOptions, cluster, database, extension, filled, passes, query_text,
};

const WORLD: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, at timestamptz, gone int, settings jsonb, tags text[]);
    ALTER TABLE users DROP COLUMN gone;
    INSERT INTO users SELECT n, 'free', '2001-02-03 04:05:06.7+00', jsonb_build_object('a', n, 'b', 'it''s'), '[2:3]={x,y}'
        FROM generate_series(1, 200) n;
    SELECT backstop.protect('users', max_rows => 500);
    DELETE FROM users WHERE id = 7; UPDATE users SET plan = 'pro' WHERE id = 8;
    BEGIN; SELECT backstop.approve_batch('r', 500); DELETE FROM users WHERE plan = 'free'; COMMIT";

const UNPACKED: &str = include_str!("../../sql/rescue/unpacked.sql");

const RECORD: &str = "SELECT md5(string_agg(p::text, ';' ORDER BY statement_id, relation, ordinal)), count(*),
    (SELECT md5(string_agg(s::text, ';' ORDER BY statement_id)) FROM backstop.statement s) FROM backstop.preimage p";

#[test]
fn a_dump_is_read_with_plain_sql() {
    let db = database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = query_text(&mut admin, RECORD);
    let work = filled::work_folder("dump").expect("a folder");
    let file = work.join("dump").to_string_lossy().into_owned();
    cluster()
        .program("pg_dump", &["-Fc", "-d", &db.name, "-f", &file])
        .expect("pg_dump");

    let tree = extension::bare_installation(cluster().tree.major)
        .expect("PostgreSQL without the extension");
    let bare = Cluster::start(&tree, &ClusterOptions::default().without_extension())
        .expect("a server without the library");
    bare.program("createdb", &["rescue"]).expect("createdb");
    // The installation script's tables and views need one function of the library, which is there in PL/pgSQL; its other
    // functions and its triggers are refused, which does no harm. Then the dump's rows.
    let script = extension::script().expect("the installation script");
    let path = work.join("record.sql");
    std::fs::write(
        &path,
        format!("CREATE SCHEMA backstop;\n{UNPACKED}\n{script}"),
    )
    .expect("a file");
    bare.program(
        "psql",
        &["-X", "-q", "-d", "rescue", "-f", &path.to_string_lossy()],
    )
    .expect("psql goes on after errors");
    // pg_restore ends with 1 when it has ignored an error: there is no extension to create.
    let _ = bare.program("pg_restore", &["-d", "rescue", &file]);

    let mut rescue = bare
        .endpoint
        .config("rescue")
        .connect(pg_backstop_tests::postgres::NoTls)
        .expect("a connection");
    assert_eq!(
        query_text(
            &mut rescue,
            "SELECT count(*) FROM pg_extension WHERE extname = 'pg_backstop'"
        ),
        "0"
    );
    assert_eq!(query_text(&mut rescue, RECORD), before);
    // The query of the README.
    let back = "INSERT INTO users SELECT r.* FROM backstop.preimage p, backstop.populate_record(NULL::users, p.old_row) r
        WHERE p.relation = 'public.users' AND p.operation = 'DELETE' ON CONFLICT DO NOTHING";
    passes(&mut rescue, back);
    let all =
        "SELECT count(*), count(DISTINCT id), bool_and(at = '2001-02-03 04:05:06.7+00'), sum((settings ->> 'a')::int),
            min(tags::text) FROM users";
    assert_eq!(query_text(&mut rescue, all), "200|200|t|20100|[2:3]={x,y}");
}
