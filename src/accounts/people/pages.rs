//! The pages of people: what the API says, and its acts as forms, for whoever comes in with a code of the host.

use askama::Template;
use serde_json::Value;

use super::{
    Reason,
    roles::{Gift, Withdrawal},
};
use crate::{
    app::App,
    domain::refusal::{Fault, Refusal},
    endpoint::{answer::Page, input::Posted},
};

#[derive(Template)]
#[template(path = "people.html", config = "dashboards/askama.toml")]
struct People<'a> {
    prefix: &'a str,
    search: &'a str,
    next: &'a str,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    id: &'a str,
    name: &'a str,
    email: &'a str,
    state: &'a str,
    last_seen: &'a str,
    roles: String,
}

#[derive(Template)]
#[template(path = "person.html", config = "dashboards/askama.toml")]
struct Person<'a> {
    prefix: &'a str,
    csrf: &'a str,
    one: Line<'a>,
    subject: &'a str,
    issuer: &'a str,
    groups: Vec<&'a str>,
    roles: Vec<RoleLine<'a>>,
    sessions: usize,
    tokens: usize,
    approvals: usize,
}

struct RoleLine<'a> {
    role: &'a str,
    environments: &'a str,
    source: String,
    grant: &'a str,
}

pub fn list(app: &App, people: &Value, search: &str) -> Result<Page, Refusal> {
    let rows = people["people"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = rows.iter().map(line).collect();
    draw(&People { prefix: &app.face.prefix, search, next: text(people, "next"), lines })
}

pub fn person(app: &App, one: &Value, csrf: &str) -> Result<Page, Refusal> {
    let list = |value: &'_ Value| value.as_array().map_or(0, Vec::len);
    let roles = one["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let roles = roles.iter().map(|role| {
        let source = match text(role, "group") {
            "" => format!(
                "by hand of {}, until {}: {}",
                text(role, "granted_by"),
                text(role, "expires_at"),
                text(role, "reason")
            ),
            group => format!("by the group {group}"),
        };
        RoleLine {
            role: text(role, "role"),
            environments: text(role, "environments"),
            source,
            grant: text(role, "grant"),
        }
    });
    draw(&Person {
        prefix: &app.face.prefix,
        csrf,
        one: line(one),
        subject: text(one, "subject"),
        issuer: text(one, "issuer"),
        groups: one["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        roles: roles.collect(),
        sessions: list(&one["sessions"]),
        tokens: list(&one["tokens"]),
        approvals: list(&one["approvals"]["standing"]),
    })
}

fn line(one: &Value) -> Line<'_> {
    let words = one["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Line {
        id: text(one, "id"),
        name: text(one, "name"),
        email: text(one, "email"),
        state: text(one, "state"),
        last_seen: text(one, "last_seen"),
        roles: words.collect::<Vec<_>>().join(", "),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn draw(template: &impl Template) -> Result<Page, Refusal> {
    Ok(Page(template.render().map_err(|e| Fault::because("drawing a page", e))?))
}

/// What somebody wrote into a form.
pub struct Filled<'f>(pub &'f Posted);

impl Filled<'_> {
    fn field(&self, name: &str) -> String {
        self.0.get(name).unwrap_or_default().trim().to_owned()
    }

    pub fn reason(&self) -> Reason {
        Reason { reason: self.field("reason") }
    }

    pub fn gift(&self) -> Result<Gift, Refusal> {
        let days = match self.field("days").as_str() {
            "" => None,
            days => Some(days.parse().map_err(|_| Refusal::bad_input("Days are a number."))?),
        };
        let environments = self.field("environments").split(',').map(|name| name.trim().to_owned()).collect();
        Ok(Gift { role: self.field("role"), environments, reason: self.field("reason"), days })
    }

    pub fn withdrawal(&self) -> Withdrawal {
        Withdrawal { grant: self.field("grant"), reason: self.field("reason") }
    }
}
