//! Policy documents and their statements.

use std::sync::Arc;

use serde_json::Value;

use super::action::Action;
use super::condition::{self, Condition};
use super::error::{PolicyError, Problem};
use super::principal::{self, Caller, Principal};
use super::read::{Either, Findings, Members, Node};
use super::resource::{ApiScope, Resource};
use super::truth::Truth;

/// A policy that was read and can be asked.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(super) statements: Vec<Statement>,
}

/// What a policy belongs to.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// To an API: it says whom it is about, and resources may be written in the short form.
    Resource(&'a ApiScope),
    /// To its caller, who needs no mention: policies of IAM identities and of Lambda authorizers.
    Identity,
}

#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sid: Option<Arc<str>>,
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    pub(super) actions: Listed<Action>,
    pub(super) resources: Listed<Resource>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone)]
pub(super) enum Principals {
    /// The policy belongs to its caller.
    Unstated,
    Only(Vec<Principal>),
    AllBut(Vec<Principal>),
}

/// What is meant by a list: its elements or, in the form with `Not`, everything else.
#[derive(Debug, Clone)]
pub(super) enum Listed<T> {
    Only(Vec<T>),
    AllBut(Vec<T>),
}

impl Principals {
    pub(super) fn mean(&self, caller: Caller<'_>) -> bool {
        match self {
            Self::Unstated => true,
            Self::Only(listed) => listed.iter().any(|principal| principal.means(caller)),
            Self::AllBut(listed) => !principal::spares(listed, caller),
        }
    }
}

impl<T> Listed<T> {
    pub(super) fn mean(&self, matches: impl Fn(&T) -> Truth) -> Truth {
        match self {
            Self::Only(listed) => Truth::any(listed.iter().map(matches)),
            Self::AllBut(listed) => !Truth::any(listed.iter().map(matches)),
        }
    }
}

impl Policy {
    /// Reads a policy. The caller bounds its size; reading takes time and memory in proportion.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; never without an error.
    pub fn parse(document: &Value, form: Form<'_>) -> Result<Self, Vec<PolicyError>> {
        let mut findings = Findings::default();
        let statements = Reader::open(&mut findings, document, form);
        match statements {
            Some(statements) if findings.is_empty() => Ok(Self { statements }),
            _ => Err(findings.into_errors()),
        }
    }
}

const DOCUMENT: &[&str] = &["Version", "Id", "Statement"];

const STATEMENT: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

const PRINCIPAL: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

/// What the reading of a statement depends on.
#[derive(Clone, Copy)]
struct Reader<'a> {
    form: Form<'a>,
    /// Whether the version has variables.
    variables: bool,
}

impl<'a> Reader<'a> {
    fn open(findings: &mut Findings, document: &Value, form: Form<'a>) -> Option<Vec<Statement>> {
        let root = Node::root(document);
        let members = findings.members(&root, "an object", DOCUMENT)?;
        let variables = version(findings, &members);
        text(findings, &members, "Id");
        let statements = findings.keep(members.require("Statement"));
        // With a version that is none, variables would be found wrong for the wrong reason.
        let reader = Self {
            form,
            variables: variables.unwrap_or(true),
        };
        findings.elements(statements?, "Statement", |findings, node| {
            reader.statement(findings, node)
        })
    }

    fn statement(self, findings: &mut Findings, node: &Node<'_>) -> Option<Statement> {
        let members = findings.members(node, "a statement, which is an object", STATEMENT)?;
        let sid = text(findings, &members, "Sid").map(Arc::from);
        let effect = effect(findings, &members);
        let principals = match self.form {
            Form::Resource(_) => principals(findings, &members, effect),
            Form::Identity => no_principals(findings, &members),
        };
        let actions = self.actions(findings, &members);
        let resources = self.resources(findings, &members);
        let conditions = match members.get("Condition") {
            Some(node) => condition::read(findings, node, self.variables),
            None => Some(Vec::new()),
        };
        Some(Statement {
            sid,
            effect: effect?,
            principals: principals?,
            actions: actions?,
            resources: resources?,
            conditions: conditions?,
        })
    }

    fn actions(self, findings: &mut Findings, members: &Members<'_>) -> Option<Listed<Action>> {
        match findings.keep(members.require_either("Action", "NotAction"))? {
            Either::Positive(node) => {
                let parse = match self.form {
                    Form::Resource(_) => Action::parse_of_apis,
                    Form::Identity => Action::parse,
                };
                texts(findings, node, "Action", parse).map(Listed::Only)
            }
            Either::Negative(node) => {
                texts(findings, node, "NotAction", Action::parse).map(Listed::AllBut)
            }
        }
    }

    fn resources(self, findings: &mut Findings, members: &Members<'_>) -> Option<Listed<Resource>> {
        let scope = match self.form {
            Form::Resource(scope) => Some(scope),
            Form::Identity => None,
        };
        let parse = |written: &str| Resource::parse(written, scope, self.variables);
        match findings.keep(members.require_either("Resource", "NotResource"))? {
            Either::Positive(node) => texts(findings, node, "Resource", parse).map(Listed::Only),
            Either::Negative(node) => {
                texts(findings, node, "NotResource", parse).map(Listed::AllBut)
            }
        }
    }
}

/// Whether variables mean anything. A policy without a version is of the older one.
fn version(findings: &mut Findings, members: &Members<'_>) -> Option<bool> {
    let Some(node) = members.get("Version") else {
        return Some(false);
    };
    match findings.keep(node.text())? {
        "2012-10-17" => Some(true),
        "2008-10-17" => Some(false),
        other => {
            findings.add(node.problem(Problem::Version(other.to_owned())));
            None
        }
    }
}

fn effect(findings: &mut Findings, members: &Members<'_>) -> Option<Effect> {
    let node = findings.keep(members.require("Effect"))?;
    match findings.keep(node.text())? {
        "Allow" => Some(Effect::Allow),
        "Deny" => Some(Effect::Deny),
        other => {
            findings.add(node.problem(Problem::Effect(other.to_owned())));
            None
        }
    }
}

fn principals(
    findings: &mut Findings,
    members: &Members<'_>,
    effect: Option<Effect>,
) -> Option<Principals> {
    match findings.keep(members.require_either("Principal", "NotPrincipal"))? {
        Either::Positive(node) => principal_list(findings, node).map(Principals::Only),
        Either::Negative(node) => {
            if effect == Some(Effect::Allow) {
                findings.add(node.problem(Problem::AllowNotPrincipal));
            }
            let listed = principal_list(findings, node)?;
            if listed.contains(&Principal::Everyone) {
                findings.add(node.problem(Problem::NotEverybody));
            }
            Some(Principals::AllBut(listed))
        }
    }
}

fn no_principals(findings: &mut Findings, members: &Members<'_>) -> Option<Principals> {
    for member in ["Principal", "NotPrincipal"] {
        if let Some(node) = members.get(member) {
            findings.add(node.problem(Problem::PrincipalOfCaller { member }));
        }
    }
    Some(Principals::Unstated)
}

/// `"*"`, or an object of lists.
fn principal_list(findings: &mut Findings, node: &Node<'_>) -> Option<Vec<Principal>> {
    if !node.is_object() {
        return match findings.keep(node.text())? {
            "*" => Some(vec![Principal::Everyone]),
            other => {
                findings.add(node.problem(Problem::Principal(other.to_owned())));
                None
            }
        };
    }
    let members = findings.members(node, "an object", PRINCIPAL)?;
    if members.is_empty() {
        let member = "Principal".to_owned();
        findings.add(node.problem(Problem::Empty { member }));
    }
    let mut listed = Vec::new();
    for kind in PRINCIPAL {
        let Some(node) = members.get(kind) else {
            continue;
        };
        let parse = match *kind {
            "AWS" => Principal::parse_aws,
            _ => Principal::parse_foreign,
        };
        listed.extend(texts(findings, node, kind, parse).unwrap_or_default());
    }
    Some(listed)
}

/// A member that is a text, if it is there.
fn text<'v>(findings: &mut Findings, members: &Members<'v>, name: &str) -> Option<&'v str> {
    findings.keep(members.get(name)?.text())
}

/// A text or a list of texts, each read by `parse`.
fn texts<T, E: Into<Problem>>(
    findings: &mut Findings,
    node: &Node<'_>,
    member: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Vec<T>> {
    findings.elements(node, member, |findings, node| {
        let written = findings.keep(node.text())?;
        findings.keep(parse(written).map_err(|error| node.problem(error)))
    })
}
