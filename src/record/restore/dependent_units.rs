//! What sits on converted columns by an expression, as the record or the catalogs tell it. An index of a partitioned table
//! and its partitions' are one unit: they come and go together.

use super::step::Step;
use pgrx::pg_sys::Oid;

/// What precedes the kind of a definition from before a conversion, and from after it.
pub(super) const BEFORE: &str = "dependent ";
pub(super) const LEFT: &str = "left ";

/// `Step::kind` of how one was kept.
pub(super) const SETTING: &str = "dependent setting";

const KINDS: [&str; 4] = ["constraint", "index", "attachment", "statistics"];

/// Whether the definition tells what sat on converted columns: no command of its own.
pub(super) fn is_dependent(step: &Step) -> bool {
    let kind = step.kind.strip_prefix(BEFORE);
    let kind = kind.or_else(|| step.kind.strip_prefix(LEFT));
    step.kind == SETTING || kind.is_some_and(|kind| KINDS.contains(&kind))
}

/// A constraint, an index or a statistics object.
#[derive(Clone, Debug)]
pub(super) struct Dependent {
    pub kind: String,
    pub object: String,
    /// What it was called when its conversion was recorded.
    pub name: String,
    /// What it is called.
    pub now: String,
    /// The command up to the name.
    head: String,
    /// The rest of it, without storage parameters and NOT VALID.
    tail: String,
    /// Where its storage parameters are in `tail`, and what they are.
    options: Option<(usize, String)>,
    pub valid: bool,
    pub oid: Option<Oid>,
    /// The index that it is attached to.
    parent: Option<String>,
}

impl Dependent {
    fn of(kind: &str, object: &str, name: &str, sql: &str) -> Option<Dependent> {
        let (oid, sql) = match sql.strip_prefix("/* ") {
            Some(rest) => {
                let (oid, sql) = rest.split_once(" */ ")?;
                (oid.parse::<u32>().ok().map(Oid::from), sql)
            }
            None => (None, sql),
        };
        let quoted = match kind {
            "constraint" => crate::pg::catalog::quoted(name),
            _ => name.to_owned(),
        };
        // The command of an index has the name without the schema.
        let bare = match kind {
            "index" => super::renamed::parts(&quoted)?.1,
            _ => &quoted,
        };
        let head = match kind {
            "constraint" => format!("ALTER TABLE {object} ADD CONSTRAINT "),
            "statistics" => "CREATE STATISTICS ".to_owned(),
            _ if sql.starts_with("CREATE UNIQUE ") => "CREATE UNIQUE INDEX ".to_owned(),
            _ => "CREATE INDEX ".to_owned(),
        };
        let tail = sql.strip_prefix(&*head)?.strip_prefix(bare)?;
        let (tail, valid) = match tail.strip_suffix(" NOT VALID") {
            Some(tail) if kind == "constraint" => (tail, false),
            _ => (tail, true),
        };
        let (tail, options) = without_options(tail);
        Some(Dependent {
            kind: kind.to_owned(),
            object: object.to_owned(),
            name: name.to_owned(),
            now: name.to_owned(),
            head,
            tail,
            options,
            valid,
            oid,
            parent: None,
        })
    }

    /// The command that makes it, under the name `now`, with the storage parameters `options`.
    pub fn command(&self, now: &str, options: Option<&str>) -> String {
        let name = match self.kind.as_str() {
            "constraint" => crate::pg::catalog::quoted(now),
            "index" => super::renamed::parts(now)
                .map_or(now, |(_, bare)| bare)
                .to_owned(),
            _ => now.to_owned(),
        };
        let tail = match (&self.options, options) {
            (Some((at, _)), Some(options)) => {
                let (before, after) = self.tail.split_at(*at);
                format!("{before} WITH ({options}){after}")
            }
            _ => self.tail.clone(),
        };
        let valid = if self.valid { "" } else { " NOT VALID" };
        format!("{}{name}{tail}{valid}", self.head)
    }

    pub fn options(&self) -> Option<&str> {
        self.options.as_ref().map(|(_, options)| &**options)
    }

    /// Whether both are made by the same command, called whatever.
    pub fn is_like(&self, other: &Dependent) -> bool {
        (&self.kind, &self.object, &self.head, &self.tail)
            == (&other.kind, &other.object, &other.head, &other.tail)
    }
}

/// Storage parameters may change, and are kept as they are.
fn without_options(tail: &str) -> (String, Option<(usize, String)>) {
    let found = tail.find(" WITH (").and_then(|at| {
        let rest = &tail[at + " WITH (".len()..];
        let end = rest.find(')')?;
        Some((at, rest[..end].to_owned(), &rest[end + 1..]))
    });
    match found {
        Some((at, options, rest)) => (format!("{}{rest}", &tail[..at]), Some((at, options))),
        None => (tail.to_owned(), None),
    }
}

/// What comes and goes together. The last one is made last, and takes the others with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit(pub Vec<Dependent>);

impl Unit {
    pub fn root(&self) -> Option<&Dependent> {
        self.0.last()
    }

    /// Pairs of indexes, by their names then: the first is attached to the second.
    pub fn attachments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|one| Some((&*one.name, one.parent.as_deref()?)))
    }

    pub fn named(&self, name: &str) -> Option<&Dependent> {
        self.0.iter().find(|one| one.name == name)
    }

    /// Whether both hold the same, `strictly`: constraints that are not validated are no valid ones. What sits on tables that
    /// the other one knows nothing of (a partition that is new) goes with its root.
    pub fn is_like(&self, other: &Unit, strictly: bool) -> bool {
        let known = |one: &&Dependent| other.0.iter().any(|two| two.object == one.object);
        let mine: Vec<&Dependent> = self.0.iter().filter(known).collect();
        let is_like = |one: &&Dependent| {
            other.named(&one.name).is_some_and(|two| {
                one.is_like(two)
                    && one.parent == two.parent
                    && (!strictly || one.valid == two.valid)
            })
        };
        mine.len() == other.0.len() && mine.iter().all(is_like)
    }
}

/// The units of definitions (kind, object, name, command), in their order. `called` tells what one of an OID was called.
pub(super) fn units<'a>(
    definitions: impl Iterator<Item = (&'a str, &'a str, &'a str, &'a str, Option<Oid>)>,
    called: impl Fn(Oid) -> Option<String>,
) -> Vec<Unit> {
    let mut all: Vec<Dependent> = Vec::new();
    let mut attached: Vec<(String, String)> = Vec::new();
    for (kind, object, name, sql, oid) in definitions {
        if kind == "attachment" {
            let sql = sql.split_once(" */ ").map_or(sql, |(_, sql)| sql);
            let parent = sql.strip_prefix("ALTER INDEX ");
            let parent =
                parent.and_then(|rest| rest.strip_suffix(name)?.strip_suffix(" ATTACH PARTITION "));
            attached.extend(parent.map(|parent| (name.to_owned(), parent.to_owned())));
        } else if let Some(mut one) = Dependent::of(kind, object, name, sql) {
            one.oid = one.oid.or(oid);
            if let Some(then) = one.oid.and_then(&called) {
                one.name = then;
            }
            all.push(one);
        }
    }
    // A name that was given to another one since is still that of the one that had it.
    let renamed: Vec<String> = all
        .iter()
        .filter(|one| one.name != one.now)
        .map(|one| one.name.clone())
        .collect();
    all.iter_mut()
        .filter(|one| one.name == one.now && renamed.contains(&one.name))
        .for_each(|one| one.name.push(' '));
    let then = |now: &str| {
        let one = all.iter().find(|one| one.kind == "index" && one.now == now);
        one.map(|one| one.name.clone())
    };
    let attached: Vec<(String, String)> = attached
        .iter()
        .filter_map(|(child, parent)| Some((then(child)?, then(parent)?)))
        .collect();
    for one in all.iter_mut().filter(|one| one.kind == "index") {
        let parent = attached.iter().find(|(child, _)| *child == one.name);
        one.parent = parent.map(|(_, parent)| parent.clone());
    }
    let mut units: Vec<Unit> = Vec::new();
    // A root comes after what is attached to it.
    while let Some(at) = all.iter().position(|one| one.parent.is_none()) {
        let root = all.remove(at);
        let mut unit = Unit::default();
        let mut names = vec![root.name.clone()];
        if root.kind == "index" {
            let mut n = 0;
            while n < names.len() {
                let parent = &names[n];
                let (members, rest): (Vec<_>, Vec<_>) = all
                    .into_iter()
                    .partition(|one| one.parent.as_ref() == Some(parent));
                all = rest;
                names.extend(members.iter().map(|one| one.name.clone()));
                // The deepest first.
                unit.0.splice(0..0, members);
                n += 1;
            }
        }
        unit.0.push(root);
        units.push(unit);
    }
    units
}
