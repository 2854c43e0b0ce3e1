//! What a preview shows: a line for every relation and operation, and for every sequence that would move.

use super::collect::Movement;
use super::run::Previewed;
use super::sample;
use super::seen::{Shape, Step};
use crate::model::{Operation, Rule, Violation};
use crate::pg::catalog;
use pgrx::pg_sys::{self, Oid};

/// One line of a preview: a row of `backstop.request_step`.
pub struct Line {
    pub relation: String,
    pub relid: Oid,
    pub operation: String,
    pub cause: Option<String>,
    pub rows: i64,
    pub expendable_rows: i64,
    pub columns: Vec<String>,
    pub cleared_columns: Vec<String>,
    pub rules: Vec<&'static str>,
    /// JSON.
    pub sample: Option<String>,
}

/// The lines of a preview, in cascade order, and for each step of `previewed` the number of its line.
pub fn lines(previewed: &Previewed) -> (Vec<Line>, Vec<i32>) {
    let steps = &previewed.seen.steps;
    let mut order: Vec<usize> = (0..steps.len()).collect();
    // The statement's own targets first; a BEFORE trigger's work was seen before them.
    order.sort_by_key(|n| steps[*n].cause.is_some());
    let mut numbers = vec![0; steps.len()];
    let mut lines = Vec::new();
    for n in order {
        lines.push(of_step(&steps[n]));
        numbers[n] = lines.len() as i32;
    }
    for violation in &previewed.violations {
        if violation.rule != Rule::SequenceGuard {
            attach(&mut lines, violation, &previewed.command);
        }
    }
    for movement in &previewed.movements {
        lines.push(of_movement(movement, &previewed.violations));
    }
    (lines, numbers)
}

fn of_step(step: &Step) -> Line {
    let named = |flags: fn(&Shape) -> &[bool]| {
        let mut names: Vec<String> = Vec::new();
        for shape in &step.shapes {
            let columns = shape.format.columns.iter().zip(flags(shape));
            for (column, _) in columns.filter(|(_, flag)| **flag) {
                if !names.contains(&column.fact.name) {
                    names.push(column.fact.name.clone());
                }
            }
        }
        names
    };
    Line {
        relation: step.format.relation.to_string(),
        relid: step.format.recorded_relid,
        operation: step.operation.record_name().to_owned(),
        cause: step.cause.as_deref().map(str::to_owned),
        rows: step.rows,
        expendable_rows: step.expendable,
        columns: named(|shape| &shape.changed),
        cleared_columns: named(|shape| &shape.cleared),
        rules: Vec::new(),
        sample: Some(sample::of(step)),
    }
}

/// Puts a violation with the line of its table, the first one when it names none of them.
fn attach(lines: &mut Vec<Line>, violation: &Violation, command: &str) {
    let table = match (&violation.schema, &violation.table) {
        (Some(schema), Some(table)) => catalog::qualified(schema, table),
        _ => String::new(),
    };
    let own = lines
        .iter()
        .position(|line| line.relation == table && line.cause.is_none())
        .or_else(|| lines.iter().position(|line| line.relation == table));
    let place = own.unwrap_or_else(|| {
        // A partition's line stands for its protected parent; a statement that destroys no row has no line yet.
        if !lines.is_empty() {
            return 0;
        }
        lines.push(Line {
            relation: table,
            relid: pg_sys::InvalidOid,
            operation: command.to_owned(),
            cause: None,
            rows: 0,
            expendable_rows: 0,
            columns: Vec::new(),
            cleared_columns: Vec::new(),
            rules: Vec::new(),
            sample: None,
        });
        0
    });
    let rule = violation.rule.name();
    if !lines[place].rules.contains(&rule) {
        lines[place].rules.push(rule);
    }
}

fn of_movement(movement: &Movement, violations: &[Violation]) -> Line {
    let guarded = violations.iter().any(|violation| {
        violation.rule == Rule::SequenceGuard
            && catalog::qualified(
                violation.schema.as_deref().unwrap_or_default(),
                violation.table.as_deref().unwrap_or_default(),
            ) == movement.name
    });
    let mut sample = serde_json::json!({
        "from": movement.from.value,
        "from_is_called": movement.from.is_called,
        "to": movement.to.value,
        "to_is_called": movement.to.is_called,
        "next": movement.next,
        "registered": movement.registered,
    });
    if !movement.registered {
        sample["warning"] =
            "The preview has moved this sequence; sequences do not roll back.".into();
    }
    Line {
        relation: movement.name.clone(),
        relid: movement.sequence,
        operation: Operation::Setval.record_name().to_owned(),
        cause: None,
        rows: 0,
        expendable_rows: 0,
        columns: Vec::new(),
        cleared_columns: Vec::new(),
        rules: if guarded {
            vec![Rule::SequenceGuard.name()]
        } else {
            Vec::new()
        },
        sample: Some(sample.to_string()),
    }
}
