//! `x-amazon-apigateway-policy`.
//!
//! The service stores whole ARNs, so that an exported policy names the API by the account, region
//! and id that it has there. Such a name is brought home where it plainly means this API. Where it
//! does not, it is refused: a statement that denies something would not apply any more.

use super::finding::Findings;
use super::made::{list, text};
use crate::config::cursor::Cursor;
use crate::config::tree::{Node, Value, shortened};
use crate::language::policy::is_like;
use crate::model::{ApiId, Identity};

/// What the API is called here.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) identity: Identity,
    pub(super) id: ApiId,
}

/// The policy at `at` in the native form.
pub(super) fn translate(
    at: &Cursor<'_>,
    root: &Cursor<'_>,
    home: &Home,
    findings: &mut Findings,
) -> Option<Node> {
    let node = at.node?;
    if !findings.is_mapping(at) {
        return None;
    }
    let before = findings.refusals();
    let exported = exported(root);
    let mut names = Names {
        home,
        account: account(at, home, &exported),
        exported,
        findings,
    };
    let node = names.policy(node, at);
    if findings.refusals() == before {
        findings.honoured(at);
    }
    Some(node)
}

/// Ids and regions of the endpoints that the definition says it answers at.
fn exported(root: &Cursor<'_>) -> Vec<(String, String)> {
    let servers = root.key("servers");
    let urls = servers
        .items()
        .filter_map(|server| server.key("url").scalar());
    let hosts = urls.filter_map(|url| url.split("://").nth(1));
    let hosts = hosts.chain(root.key("host").scalar());
    hosts
        .filter_map(|host| {
            let (id, rest) = host.split_once(".execute-api.")?;
            let (region, _) = rest.split_once(".amazonaws.com")?;
            Some((id.to_owned(), region.to_owned()))
        })
        .collect()
}

struct Names<'a> {
    home: &'a Home,
    exported: Vec<(String, String)>,
    /// The account that the definition was exported from, where a name tells it.
    account: Option<String>,
    findings: &'a mut Findings,
}

/// What becomes of a name.
enum Became {
    Same,
    Home(String),
    Foreign,
}

impl Names<'_> {
    fn policy(&mut self, node: &Node, at: &Cursor<'_>) -> Node {
        self.below(node, at, "Statement", |names, node, at| {
            names.each(node, at, |names, node, at| {
                let node = names.below(node, at, "Resource", Self::resources);
                names.below(&node, at, "NotResource", Self::resources)
            })
        })
    }

    /// `node` with what `change` makes of the value of `key`.
    fn below(
        &mut self,
        node: &Node,
        at: &Cursor<'_>,
        key: &str,
        change: impl Fn(&mut Self, &Node, &Cursor<'_>) -> Node,
    ) -> Node {
        node.clone().with_entries(|mut entry| {
            if entry.key == key {
                entry.node = change(self, &entry.node, &at.key(key));
            }
            entry
        })
    }

    /// What `change` makes of every item, or of the value that stands there without a list.
    fn each(
        &mut self,
        node: &Node,
        at: &Cursor<'_>,
        change: impl Fn(&mut Self, &Node, &Cursor<'_>) -> Node,
    ) -> Node {
        let Value::Sequence(items) = &node.value else {
            return change(self, node, at);
        };
        let items = items.iter().enumerate();
        let items = items.map(|(index, item)| change(self, item, &at.item(index)));
        list(node.place, items.collect())
    }

    fn resources(&mut self, node: &Node, at: &Cursor<'_>) -> Node {
        self.each(node, at, Self::resource)
    }

    fn resource(&mut self, node: &Node, at: &Cursor<'_>) -> Node {
        let Value::Scalar { text: written, .. } = &node.value else {
            return node.clone();
        };
        match self.brought_home(written) {
            Became::Same => node.clone(),
            Became::Home(home) => {
                let how = format!(
                    "`{}` names this API where it was exported; here it is `{home}`",
                    shortened(written)
                );
                self.findings.approximated(at, how);
                text(node.place, &home)
            }
            Became::Foreign => {
                let why = format!(
                    "`{}` does not plainly name this API, which is `{}`: write \
                     `execute-api:/<stage>/<method>/<path>`, or give the API the id that it has \
                     there: `id` beside `definition`, `--id` of `gateway import`",
                    shortened(written),
                    self.root()
                );
                self.findings.refused(at, why);
                node.clone()
            }
        }
    }

    fn root(&self) -> String {
        let Identity {
            account,
            region,
            partition,
            ..
        } = &self.home.identity;
        format!(
            "arn:{partition}:execute-api:{region}:{account}:{}/",
            self.home.id
        )
    }

    fn brought_home(&self, written: &str) -> Became {
        let Some(name) = Name::of(written) else {
            // The language of policies judges every other form.
            return Became::Same;
        };
        let Identity {
            account,
            region,
            partition,
            ..
        } = &self.home.identity;
        let is_own_id = name.id == self.home.id.as_str();
        let sections = [
            (name.partition, partition.as_str()),
            (name.region, region.as_str()),
            (name.account, account.as_str()),
            (name.id, self.home.id.as_str()),
        ];
        if sections.iter().all(|(written, own)| may_be(written, own)) {
            return Became::Same;
        }
        let is_own = if name.id == "*" {
            // Elsewhere it means nothing of this API, there and here.
            let is_exported_region = self.exported.iter().any(|(_, its)| its == name.region);
            let is_here = is_or_any(name.region, region) && is_or_any(name.partition, partition);
            is_exported_region || is_here
        } else {
            is_own_id || name.is_exported(&self.exported)
        };
        let is_same_account =
            is_or_any(name.account, account) || self.account.as_deref() == Some(name.account);
        let is_plain = |text: &str| text == "*" || !is_open(text);
        if is_own
            && is_same_account
            && let Some(rest) = name.rest
            && sections.iter().all(|(written, _)| is_plain(written))
        {
            Became::Home(format!("execute-api:/{rest}"))
        } else {
            Became::Foreign
        }
    }
}

/// The name of something of an API, or a pattern of such names.
#[derive(Clone, Copy)]
struct Name<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    id: &'a str,
    /// Stage, method and path; `None` where the id stands alone, which names no request.
    rest: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn of(written: &'a str) -> Option<Self> {
        let mut sections = written.splitn(6, ':');
        // A pattern may end early, with a `*` that takes all that is missing.
        let mut next = || {
            sections
                .next()
                .or_else(|| written.ends_with('*').then_some("*"))
        };
        let (Some("arn"), Some(partition), Some(service), Some(region), Some(account)) =
            (next(), next(), next(), next(), next())
        else {
            return None;
        };
        let resource = next()?;
        if !may_be(service, "execute-api") {
            return None;
        }
        let (id, rest) = match resource.split_once('/') {
            Some((id, rest)) => (id, Some(rest)),
            None => (resource, (resource == "*").then_some("*")),
        };
        Some(Self {
            partition,
            region,
            account,
            id,
            rest,
        })
    }

    /// Whether it has the id of an API that the definition was exported from.
    fn is_exported(&self, exported: &[(String, String)]) -> bool {
        let is_meant =
            |(id, region): &(String, String)| id == self.id && is_or_any(self.region, region);
        exported.iter().any(is_meant)
    }
}

/// Whether it holds wildcards or variables.
fn is_open(text: &str) -> bool {
    text.contains(['*', '?', '$'])
}

/// Whether `pattern` matches `own` in some request: what a variable stands for is not known here.
fn may_be(pattern: &str, own: &str) -> bool {
    pattern.contains('$') || is_like(pattern, own)
}

fn is_or_any(written: &str, own: &str) -> bool {
    written == "*" || written == own
}

/// The account that the API of the definition is of: names with its id tell it, if they agree.
fn account(policy: &Cursor<'_>, home: &Home, exported: &[(String, String)]) -> Option<String> {
    let mut told: Option<String> = None;
    for statement in one_or_more(&policy.key("Statement")) {
        for key in ["Resource", "NotResource"] {
            for at in one_or_more(&statement.key(key)) {
                let Some(name) = at.scalar().and_then(Name::of) else {
                    continue;
                };
                let has_id = name.id == home.id.as_str() || name.is_exported(exported);
                if !has_id || is_open(name.account) || name.account == home.identity.account {
                    continue;
                }
                if told.as_deref().is_some_and(|told| told != name.account) {
                    return None;
                }
                told = Some(name.account.to_owned());
            }
        }
    }
    told
}

/// The items of the list at `at`, or what stands there without one.
fn one_or_more<'a>(at: &Cursor<'a>) -> Vec<Cursor<'a>> {
    match at.node.map(|node| &node.value) {
        Some(Value::Sequence(_)) => at.items().collect(),
        _ => vec![at.clone()],
    }
}
