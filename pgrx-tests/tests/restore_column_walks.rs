//! Random walks of columns that are added, dropped, renamed and brought back, with rows that change in between: at the end
//! every value is in the column it was in, as a model has it that knows columns by what they are and not by their names.
//!
//! `PG_BACKSTOP_TEST_SEED` repeats a walk, `PG_BACKSTOP_TEST_WALKS` makes more of them.

#[path = "restore_column_walks/model.rs"]
mod model;

use model::{Column, Dice, Gone, Model, Rows};
use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{approved, database_with, last_statement, now, passes, query_rows};
use std::time::{SystemTime, UNIX_EPOCH};

const STEPS: usize = 14;

struct Walk {
    dice: Dice,
    client: Client,
    model: Model,
    gone: Vec<Gone>,
    log: Vec<String>,
}

impl Walk {
    fn value(&mut self) -> String {
        format!("x{}", self.dice.below(1_000_000))
    }

    /// Says it, and runs it with approval.
    fn run(&mut self, sql: String) {
        self.log.push(sql.clone());
        approved(&mut self.client, 1000, &sql);
    }

    fn step(&mut self) {
        let living = self.model.living();
        let ids: Vec<usize> = self.model.rows.keys().copied().collect();
        match self.dice.below(14) {
            0 => {
                let name = format!("n{}", self.model.added);
                self.model.added += 1;
                self.run(format!("ALTER TABLE a ADD {name} text"));
                self.model.columns.push(Column {
                    name,
                    dropped: None,
                });
                self.model.rows.values_mut().for_each(|row| row.push(None));
            }
            1 | 2 if living.len() > 1 => {
                let Some(n) = self.dice.one(&living) else {
                    return;
                };
                self.run(format!(
                    "ALTER TABLE a DROP COLUMN {}",
                    self.model.columns[n].name
                ));
                let id = last_statement(&mut self.client);
                self.model.columns[n].dropped = Some((id, self.model.deleted));
            }
            3..=5 => {
                let Some(n) = self.dice.one(&living) else {
                    return;
                };
                let names = self.model.columns.iter().map(|column| column.name.clone());
                let free: Vec<String> = names
                    .chain(["p".to_owned(), "q".to_owned()])
                    .filter(|name| self.model.holder(name).is_none())
                    .collect();
                let Some(new) = self.dice.one(&free) else {
                    return;
                };
                self.run(format!(
                    "ALTER TABLE a RENAME {} TO {new}",
                    self.model.columns[n].name
                ));
                self.model.columns[n].name = new;
            }
            6 | 7 => {
                let (Some(n), Some(id)) = (self.dice.one(&living), self.dice.one(&ids)) else {
                    return;
                };
                let (name, value) = (self.model.columns[n].name.clone(), self.value());
                self.run(format!("UPDATE a SET {name} = '{value}' WHERE id = {id}"));
                self.model
                    .rows
                    .entry(id)
                    .and_modify(|row| row[n] = Some(value));
            }
            8 => {
                let Some(id) = self.dice.one(&ids) else {
                    return;
                };
                self.run(format!("DELETE FROM a WHERE id = {id}"));
                let gone = Gone {
                    statement: last_statement(&mut self.client),
                    id,
                    row: self.model.rows.remove(&id).unwrap_or_default(),
                    ordinal: self.model.deleted,
                };
                self.gone.push(gone);
                self.model.deleted += 1;
            }
            9 => {
                let id = 100 + self.log.len();
                let mut row = vec![None; self.model.columns.len()];
                let Some(n) = self.dice.one(&living) else {
                    return;
                };
                let (name, value) = (self.model.columns[n].name.clone(), self.value());
                self.run(format!(
                    "INSERT INTO a (id, {name}) VALUES ({id}, '{value}')"
                ));
                row[n] = Some(value);
                self.model.rows.insert(id, row);
            }
            10 => self.put_back(),
            _ => self.bring_back(),
        }
    }

    /// Restores a row that was deleted: the columns that were dropped meanwhile are not there for it.
    fn put_back(&mut self) {
        let away: Vec<usize> = (0..self.gone.len()).collect();
        let Some(n) = self.dice.one(&away) else {
            return;
        };
        let gone = self.gone.swap_remove(n);
        let sql = format!(
            "SELECT * FROM backstop.restore({}, dry_run => false)",
            gone.statement
        );
        self.log.push(format!("-- row {}\n{sql}", gone.id));
        self.restore(&sql, false);
        let columns = self.model.columns.iter().enumerate();
        let row = columns.map(|(n, column)| {
            let later = |(_, deleted): &(String, usize)| *deleted > gone.ordinal;
            let lost = column.dropped.as_ref().is_some_and(later);
            gone.row.get(n).filter(|_| !lost).cloned().flatten()
        });
        let row = row.collect();
        self.model.rows.insert(gone.id, row);
        let all: Vec<usize> = (0..self.model.columns.len()).collect();
        let rows = self.model.rows.clone();
        self.compare(&rows, &all);
    }

    /// Restores a column that was dropped, unless rows that had it are gone.
    fn bring_back(&mut self) {
        let gone: Vec<usize> = (0..self.model.columns.len())
            .filter(|n| {
                let dropped = self.model.columns[*n].dropped.as_ref();
                dropped.is_some_and(|(_, deleted)| *deleted == self.model.deleted)
            })
            .collect();
        let Some(n) = self.dice.one(&gone) else {
            return;
        };
        let column = self.model.columns[n].clone();
        let id = column.dropped.map_or_else(String::new, |(id, _)| id);
        let sql = format!("SELECT * FROM backstop.restore({id}, dry_run => false)");
        self.log.push(format!("-- column {n}\n{sql}"));
        let taken = self.model.holder(&column.name).is_some();
        if self.restore(&sql, taken) {
            self.model.columns[n].dropped = None;
            let all: Vec<usize> = (0..self.model.columns.len()).collect();
            let rows = self.model.rows.clone();
            self.compare(&rows, &all);
        }
    }

    /// Whether it was restored; it must fail, and say why, when a name is taken.
    fn restore(&mut self, sql: &str, taken: bool) -> bool {
        match self.client.batch_execute(sql) {
            Ok(()) if !taken => true,
            Err(error) if taken => {
                let message = error.as_db_error().map_or("", |error| error.message());
                assert!(
                    message.contains("has its name"),
                    "{message}\n{}",
                    self.log.join(";\n")
                );
                false
            }
            other => panic!(
                "name taken: {taken}, but {other:?}\n{};",
                self.log.join(";\n")
            ),
        }
    }

    /// The table's rows against those of the model, in its columns that live and are among `columns`.
    fn compare(&mut self, rows: &Rows, columns: &[usize]) {
        let living = self.model.living();
        let columns: Vec<usize> = columns
            .iter()
            .filter(|n| living.contains(n))
            .copied()
            .collect();
        let names = columns
            .iter()
            .map(|n| format!(", {}", self.model.columns[*n].name));
        let sql = format!("SELECT id{} FROM a ORDER BY id", names.collect::<String>());
        let found: Rows = query_rows(&mut self.client, &sql)
            .into_iter()
            .map(|row| {
                let id = row[0].as_ref().and_then(|id| id.parse().ok());
                (id.unwrap_or_default(), row[1..].to_vec())
            })
            .collect();
        for (id, row) in rows {
            let expected: Vec<Option<String>> = columns.iter().map(|n| row[*n].clone()).collect();
            assert_eq!(
                found.get(id),
                Some(&expected),
                "row {id}: {sql}\n{};",
                self.log.join(";\n")
            );
        }
    }

    /// Goes back to the model that was then.
    fn go_back(&mut self, at: &str, then: &Model) {
        let names: Vec<&String> = self
            .model
            .columns
            .iter()
            .filter(|column| column.dropped.is_some())
            .map(|column| &column.name)
            .collect();
        let twice = (1..names.len()).any(|n| names[..n].contains(&names[n]));
        let taken = twice || names.iter().any(|name| self.model.holder(name).is_some());
        let sql = format!("SELECT * FROM backstop.restore_since('{at}', dry_run => false)");
        self.log.push(sql.clone());
        if self.restore(&sql, taken) {
            self.model
                .columns
                .iter_mut()
                .for_each(|column| column.dropped = None);
            let columns: Vec<usize> = (0..then.columns.len()).collect();
            self.compare(&then.rows, &columns);
        }
    }
}

const TABLES: [&str; 4] = [
    "CREATE TABLE a (id int PRIMARY KEY, u text, v text, w text)",
    "CREATE TABLE a (id int PRIMARY KEY, lost int, u text, v text, w text); ALTER TABLE a DROP COLUMN lost",
    "CREATE TABLE a (id int PRIMARY KEY, u text, v text, w text) PARTITION BY RANGE (id);
     CREATE TABLE a1 (w text, lost int, v text, u text, id int NOT NULL); ALTER TABLE a1 DROP COLUMN lost;
     ALTER TABLE a ATTACH PARTITION a1 FOR VALUES FROM (0) TO (4); CREATE TABLE a2 PARTITION OF a DEFAULT",
    "CREATE TABLE a (id int PRIMARY KEY, u text, v text, w text); CREATE TABLE child (own int DEFAULT 7, PRIMARY KEY (id)) INHERITS (a);
     INSERT INTO child SELECT n, 'u' || n, 'v' || n, 'w' || n FROM generate_series(1, 2) n",
];
const ROWS: &str =
    "INSERT INTO a SELECT n, 'u' || n, 'v' || n, 'w' || n FROM generate_series(1, 5) n
    WHERE NOT EXISTS (SELECT FROM a WHERE id = n); SELECT backstop.protect('a')";

fn walk(seed: u64) {
    let table = TABLES[seed as usize % TABLES.len()];
    let (_db, mut client) = database_with(&format!("{table}; {ROWS}"));
    passes(&mut client, "SET client_min_messages = error");
    let at = now(&mut client);
    let names = ["u", "v", "w"];
    let row = |id: usize| names.map(|name| Some(format!("{name}{id}"))).to_vec();
    let model = Model {
        columns: names
            .map(|name| Column {
                name: name.to_owned(),
                dropped: None,
            })
            .to_vec(),
        rows: (1..=5).map(|id| (id, row(id))).collect(),
        ..Model::default()
    };
    let then = model.clone();
    let mut walk = Walk {
        dice: Dice::new(seed),
        client,
        model,
        gone: Vec::new(),
        log: vec![format!("-- PG_BACKSTOP_TEST_SEED={seed}")],
    };
    for _ in 0..STEPS {
        walk.step();
    }
    walk.go_back(&at, &then);
}

#[test]
fn values_stay_with_their_columns() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let random = now.map_or(1, |now| u64::from(now.subsec_nanos()));
    let seed = number("PG_BACKSTOP_TEST_SEED");
    let walks = number("PG_BACKSTOP_TEST_WALKS").unwrap_or(10);
    match seed {
        Some(seed) => walk(seed),
        None => (0..walks).for_each(|n| walk(random.wrapping_add(n))),
    }
}
