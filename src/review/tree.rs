//! A request as an indented tree: what the statement does to which relation, and below it what that sets off.

use super::wrap::{flat, shortened, wrap};

/// The head of a request, as the view `backstop.request` shows it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub id: i64,
    pub state: String,
    pub session_role: String,
    pub role: String,
    pub requested_at: String,
    /// Until when the request, or its token, holds.
    pub until: String,
    pub reason: Option<String>,
    pub statement: String,
    pub parameters: Option<String>,
    pub kind: String,
    pub rows: i64,
    pub expendable_rows: i64,
    /// Who decided, when, and why.
    pub decision: Option<(String, String, Option<String>)>,
    /// When it was run, and as which recorded statement.
    pub used: Option<(String, Option<i64>)>,
}

/// One step of it.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub relation: String,
    pub operation: String,
    pub cause: Option<String>,
    pub rows: i64,
    pub expendable_rows: i64,
    pub columns: Vec<String>,
    pub cleared_columns: Vec<String>,
    pub rules: Vec<String>,
    /// For a sequence.
    pub movement: Option<Movement>,
}

/// Where a sequence would go.
#[derive(Clone, Debug, Default)]
pub struct Movement {
    pub from: String,
    pub to: String,
    /// `None` when the next nextval would fail.
    pub next: Option<String>,
    pub warning: Option<String>,
}

/// A statement longer than this is shortened: the view `request` has the whole text.
const STATEMENT: usize = 400;

/// The tree's lines, each of at most 80 columns.
pub fn tree(request: &Request, steps: &[Step]) -> Vec<String> {
    let mut lines = head(request);
    let parents: Vec<Option<usize>> = (0..steps.len()).map(|n| parent(steps, n)).collect();
    if !steps.is_empty() {
        lines.push("|".to_owned());
    }
    branches(&mut lines, steps, &parents, None, "");
    lines.extend(next_steps(request));
    lines
}

/// What can be done with it now.
fn next_steps(request: &Request) -> Vec<String> {
    let id = request.id;
    let steps = match request.state.as_str() {
        "open" => vec![
            (
                "every row:",
                format!("SELECT * FROM backstop.request_rows({id});"),
            ),
            (
                "to approve:",
                format!("SELECT backstop.approve({id}, 'why');"),
            ),
            ("to deny:", format!("SELECT backstop.deny({id}, 'why');")),
        ],
        "approved" => vec![(
            "to run:",
            "SELECT * FROM backstop.run('<token>');".to_owned(),
        )],
        _ => return Vec::new(),
    };
    let mut lines = vec![String::new()];
    for (what, sql) in steps {
        lines.extend(wrap(&format!("{what:<12}"), "            ", &sql));
    }
    lines
}

fn head(request: &Request) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |what: &str, text: &str| {
        lines.extend(wrap(&format!("{what:<12}"), "            ", &flat(text)));
    };
    let state = match request.state.as_str() {
        state @ ("open" | "approved") => format!("{state} until {}", request.until),
        state => state.to_owned(),
    };
    line("request:", &format!("{}, {state}", request.id));
    let role = if request.role == request.session_role {
        String::new()
    } else {
        format!(" as {}", request.role)
    };
    line(
        "asked by:",
        &format!("{}{role}, {}", request.session_role, request.requested_at),
    );
    if let Some(reason) = &request.reason {
        line("reason:", reason);
    }
    line(
        "statement:",
        &shortened(&flat(&request.statement), STATEMENT),
    );
    if let Some(parameters) = &request.parameters {
        line("parameters:", &shortened(&flat(parameters), STATEMENT));
    }
    line("destroys:", &rows(request.rows, request.expendable_rows));
    line("approval:", &format!("of kind {} at least", request.kind));
    if let Some((by, at, why)) = &request.decision {
        let why = why.as_ref().map(|why| format!(": {why}"));
        line(
            "decided by:",
            &format!("{by}, {at}{}", why.unwrap_or_default()),
        );
    }
    if let Some((at, statement)) = &request.used {
        let statement = statement.map(|id| format!(", as statement {id} of the record"));
        line("run:", &format!("{at}{}", statement.unwrap_or_default()));
    }
    lines
}

fn rows(rows: i64, expendable: i64) -> String {
    let unit = if rows == 1 { "row" } else { "rows" };
    match expendable {
        0 => format!("{rows} {unit}"),
        all if all == rows => format!("{rows} {unit}, expendable"),
        some => format!("{rows} {unit}, {some} of them expendable"),
    }
}

/// The step that caused step `n`: an earlier one on the relation that its cause names.
fn parent(steps: &[Step], n: usize) -> Option<usize> {
    let cause = steps[n].cause.as_deref()?;
    let names = |relation: &str| {
        cause.strip_prefix("cascade from ").map_or_else(
            || cause.ends_with(&format!(" on {relation}")),
            |from| from == relation,
        )
    };
    // The nearest: a trigger on a cascaded relation belongs below the cascade.
    (0..n)
        .filter(|earlier| names(&steps[*earlier].relation))
        .max_by_key(|earlier| (steps[*earlier].relation.len(), *earlier))
}

fn branches(
    lines: &mut Vec<String>,
    steps: &[Step],
    parents: &[Option<usize>],
    of: Option<usize>,
    indent: &str,
) {
    let children: Vec<usize> = (0..steps.len()).filter(|n| parents[*n] == of).collect();
    for (place, n) in children.iter().enumerate() {
        let last = place + 1 == children.len();
        let (fork, below) = if last {
            (format!("{indent}`- "), format!("{indent}   "))
        } else {
            (format!("{indent}+- "), format!("{indent}|  "))
        };
        let has_children = parents.contains(&Some(*n));
        let facts = if has_children {
            format!("{below}|    ")
        } else {
            format!("{below}     ")
        };
        let rest = format!("{facts}  ");
        step(lines, &steps[*n], of.is_some(), (&fork, &facts, &rest));
        branches(lines, steps, parents, Some(*n), &below);
    }
}

fn step(
    lines: &mut Vec<String>,
    step: &Step,
    nested: bool,
    (fork, facts, rest): (&str, &str, &str),
) {
    let name = flat(&step.relation);
    let cause = match step.cause.as_deref() {
        Some(cause) if nested && cause.starts_with("cascade from ") => ", by cascade".to_owned(),
        Some(cause) if nested => {
            let own = cause.rfind(" on ").map_or(cause, |end| &cause[..end]);
            format!(", by {}", flat(own))
        }
        Some(cause) => format!(", by {}", flat(cause)),
        None => String::new(),
    };
    let title = match &step.movement {
        Some(_) => format!("{} {name}{cause}", step.operation),
        None => format!(
            "{} {name}: {}{cause}",
            step.operation,
            rows(step.rows, step.expendable_rows)
        ),
    };
    lines.extend(wrap(fork, rest, &title));
    let mut fact = |what: &str, text: &str| {
        lines.extend(wrap(
            &format!("{facts}{what:<9}"),
            &format!("{facts}         "),
            text,
        ));
    };
    if let Some(movement) = &step.movement {
        fact("from:", &movement.from);
        fact("to:", &movement.to);
        fact(
            "next:",
            movement
                .next
                .as_deref()
                .unwrap_or("none, nextval would fail"),
        );
        if let Some(warning) = &movement.warning {
            fact("warning:", &flat(warning));
        }
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| flat(name)).collect();
        names.join(", ")
    };
    for (what, names) in [
        ("changes:", &step.columns),
        ("clears:", &step.cleared_columns),
        ("breaks:", &step.rules),
    ] {
        if !names.is_empty() {
            fact(what, &list(names));
        }
    }
}

#[cfg(test)]
mod tests;
