//! pg_upgrade to a later major version: the record, the registry and the protection come along.

use pg_backstop_tests::{
    Cluster, ClusterOptions, Database, extension, filled, installation, minor, passes, query_text,
    refused, start,
};

const WORLD: &str = r#"
    CREATE TABLE users (id bigint PRIMARY KEY, plan text, class regclass, at timestamptz, tags int[]);
    CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users ON DELETE CASCADE);
    CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (0) TO (9);
    CREATE TABLE gone (id int PRIMARY KEY, a text DEFAULT 'x'); INSERT INTO gone VALUES (1);
    CREATE SEQUENCE numbers; SELECT setval('numbers', 50);
    INSERT INTO users SELECT n, 'free', 'users', '2001-02-03 04:05:06.7+00', '[2:3]={1,NULL}' FROM generate_series(1, 2000) n;
    INSERT INTO notes SELECT n, n FROM generate_series(1, 2000) n; INSERT INTO parted VALUES (1), (2);
    CREATE TABLE twin AS TABLE users;
    SELECT backstop.protect('users', max_rows => 5000, expendable => $$plan = 'test'$$), backstop.protect('parted'),
           backstop.protect('gone'), backstop.protect_columns('users', '{plan}', 'crm'), backstop.protect_sequence('numbers', 5);
    DELETE FROM users WHERE id = 1; UPDATE users SET tags = '{}' WHERE id = 2; DELETE FROM parted WHERE id = 1;
    BEGIN; SELECT backstop.approve_batch('r', 5000); DELETE FROM users WHERE id % 2 = 0 AND plan = 'free'; COMMIT;
    BEGIN; SELECT backstop.approve_batch('r', 5000); DROP TABLE gone; COMMIT;
    SELECT backstop.preview('DELETE FROM users WHERE id = 3', 'why')"#;

/// What must be the same on both sides.
const STATE: &str = "
    SELECT count(*)::text, md5(string_agg(s::text, ';' ORDER BY statement_id)) FROM backstop.statement s
    UNION ALL SELECT count(*)::text, md5(string_agg(p::text, ';' ORDER BY statement_id, relation, ordinal)) FROM backstop.preimage p
    UNION ALL SELECT count(*)::text, md5(string_agg(d::text, ';' ORDER BY statement_id, ordinal)) FROM backstop.definition d
    UNION ALL SELECT count(*)::text, md5(string_agg(r::text, ';' ORDER BY request_id)) FROM backstop.request r
    UNION ALL SELECT count(*)::text, string_agg(t::text, ';' ORDER BY relation::text) FROM backstop.protected_table t
    UNION ALL SELECT count(*)::text, string_agg(c::text, ';') FROM backstop.protected_column c
    UNION ALL SELECT count(*)::text, string_agg(s::text, ';') FROM backstop.protected_sequence s
    UNION ALL SELECT count(*)::text, string_agg(pg_get_triggerdef(oid) || tgenabled::text, ';' ORDER BY tgrelid::regclass::text, tgname)
        FROM pg_trigger WHERE tgname LIKE 'backstop%'
    UNION ALL SELECT (SELECT last_value FROM backstop.statement_id_seq)::text, (SELECT last_value FROM backstop.chunk_id_seq)::text";

fn upgraded_to(major: u16) {
    let tested = installation().major;
    if tested >= major {
        println!("skipped: this run tests PostgreSQL {} already", tested);
        return;
    }
    let new_tree = match extension::installation(major) {
        Ok(tree) => tree,
        Err(error) => {
            println!("skipped: no PostgreSQL {major} to upgrade to: {error:#}");
            return;
        }
    };
    let old = match old_server(major) {
        Ok(old) => old,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let name = "to_be_upgraded";
    passes(
        &mut old.admin(),
        &format!("CREATE DATABASE {name} TEMPLATE template0"),
    );
    let mut admin = old
        .endpoint
        .config(name)
        .connect(pg_backstop_tests::postgres::NoTls)
        .expect("a connection");
    passes(&mut admin, "CREATE EXTENSION pg_backstop");
    passes(&mut admin, WORLD);
    let before = query_text(&mut admin, STATE);
    drop(admin);
    // The template is of the same extension; it is not wanted here.
    passes(&mut old.admin(), "DROP DATABASE backstop_template");
    let old_data = old.stop().expect("the old server stops");
    let new = filled::start_filled(&new_tree, &ClusterOptions::default(), |data| {
        let folder = data.to_string_lossy().into_owned();
        let mut initdb = vec![
            "--no-sync",
            "--no-instructions",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--pgdata",
            &folder,
        ];
        if major >= 18 {
            initdb.push("--no-data-checksums");
        }
        filled::run_as_server(&new_tree, "initdb", &initdb, data)?;
        std::fs::write(
            data.join("postgresql.auto.conf"),
            "shared_preload_libraries = 'pg_backstop'\n",
        )?;
        let work = filled::work_folder("upgrade")?;
        let (old_bin, new_bin) = (
            old.tree.bin.to_string_lossy(),
            new_tree.bin.to_string_lossy(),
        );
        let (old_data, work_name) = (old_data.to_string_lossy(), work.to_string_lossy());
        let arguments = [
            "-b",
            &old_bin,
            "-B",
            &new_bin,
            "-d",
            &old_data,
            "-D",
            &folder,
            "-U",
            "postgres",
            "-s",
            &work_name,
            "--no-sync",
        ];
        let arguments = if major < 16 {
            &arguments[..12]
        } else {
            &arguments[..]
        };
        // pg_upgrade says in its logs what was wrong.
        filled::run_as_server(&new_tree, "pg_upgrade", arguments, &work)
            .map(drop)
            .map_err(|error| {
                let logs =
                    format!("grep -hE -A1 'error|ERROR|DETAIL' {folder}/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log");
                let logs = std::process::Command::new("sh")
                    .args(["-c", &logs])
                    .output();
                let logs = logs.map(|output| output.stdout).unwrap_or_default();
                error.context(String::from_utf8_lossy(&logs).into_owned())
            })
    })
    .unwrap_or_else(|error| panic!("pg_upgrade to {major}: {error:?}"));

    let db = Database {
        endpoint: new.endpoint.clone(),
        name: name.into(),
    };
    let mut admin = db.connect();
    assert!(query_text(&mut admin, "SHOW server_version").starts_with(&major.to_string()));
    assert_eq!(query_text(&mut admin, STATE), before);
    for (statement, sqlstate) in [
        ("DELETE FROM users WHERE id > 3", "SF001"),
        ("DELETE FROM p1", "SF002"),
        ("DROP TABLE users CASCADE", "SF008"),
        ("SELECT setval('numbers', 600)", "SF007"),
    ] {
        assert_eq!(
            refused(&mut admin, statement).sqlstate,
            sqlstate,
            "{statement}"
        );
    }
    let restore = "SELECT sum(conflicts) FROM (SELECT statement_id FROM backstop.statement WHERE reverts IS NULL ORDER BY statement_id DESC) s,
        LATERAL backstop.restore(s.statement_id, dry_run => false)";
    assert_eq!(query_text(&mut admin, restore), "0");
    let same = "SELECT count(*), bool_and((u.*) *= (t.*)) FROM users u FULL JOIN twin t USING (id)";
    assert_eq!(query_text(&mut admin, same), "2000|t");
    assert_eq!(
        query_text(&mut admin, "SELECT string_agg(g::text, ';') FROM gone g"),
        "(1,x)"
    );
    passes(
        &mut admin,
        "DELETE FROM users WHERE id = 4; SELECT backstop.approve(min(request_id), 'ok') FROM backstop.request",
    );
}

/// A server of the tested major version whose tables another one takes. Some releases put an option of their own on the
/// columns of every table, which no other server takes: then one of another minor release.
fn old_server(major: u16) -> Result<Cluster, String> {
    let tested = installation().major;
    let server = start(&ClusterOptions::default());
    let Some(option) = own_option(&server) else {
        return Ok(server);
    };
    drop(server);
    let mut reasons = format!(
        "PostgreSQL {major} takes no table of this PostgreSQL {tested}, whose columns have the options {option}"
    );
    let releases = minor::releases(tested).map_err(|error| format!("{reasons}; {error:#}"))?;
    for release in releases {
        let server = minor::installation(tested, &release)
            .and_then(|tree| Cluster::start(&tree, &ClusterOptions::default()));
        match server.map(|server| (own_option(&server), server)) {
            Ok((None, server)) => return Ok(server),
            Ok((Some(option), _)) => reasons += &format!("; so do those of {release}: {option}"),
            Err(error) => reasons += &format!("; {release} cannot be had: {error:#}"),
        }
    }
    Err(reasons)
}

/// What the server puts on the columns of a plain table.
fn own_option(server: &Cluster) -> Option<String> {
    let mut admin = server.admin();
    passes(&mut admin, "CREATE TABLE plain (a int)");
    let options =
        "SELECT attoptions FROM pg_attribute WHERE attrelid = 'plain'::regclass AND attnum = 1";
    let options = query_text(&mut admin, options);
    passes(&mut admin, "DROP TABLE plain");
    (options != "null").then_some(options)
}

#[test]
fn to_16() {
    upgraded_to(16);
}

#[test]
fn to_18() {
    upgraded_to(18);
}
