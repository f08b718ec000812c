//! `x-amazon-apigateway-policy`.
//!
//! The service stores whole ARNs, so that an exported policy names the API by the account, region
//! and id that it has there. Such a name is brought home where it plainly means this API. Where it
//! does not, it is refused: a statement that denies something would not apply any more.

use super::finding::Findings;
use super::made::{list, text};
use crate::config::cursor::Cursor;
use crate::config::tree::{Node, Value, shortened};
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
    let mut names = Names {
        home,
        exported: exported(root),
        account: None,
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
    /// The account that the definition was exported from, when a name has told it.
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
                     there",
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

    fn brought_home(&mut self, written: &str) -> Became {
        let mut sections = written.splitn(6, ':');
        let mut next = || sections.next();
        let (Some("arn"), Some(partition), Some("execute-api"), Some(region), Some(account)) =
            (next(), next(), next(), next(), next())
        else {
            // The language of policies judges every other form.
            return Became::Same;
        };
        let Some(resource) = sections.next() else {
            return Became::Same;
        };
        let (id, rest) = resource.split_once('/').unwrap_or((resource, "*"));
        let is_open = |text: &str| text.contains(['*', '?', '$']);
        let identity = &self.home.identity;
        let ours = [
            (partition, identity.partition.as_str()),
            (region, identity.region.as_str()),
            (account, identity.account.as_str()),
            (id, self.home.id.as_str()),
        ];
        if ours.iter().all(|(name, own)| is_open(name) || name == own) {
            return Became::Same;
        }
        let is_plain = |text: &str| text == "*" || !is_open(text);
        let is_exported = |(known, its_region): &(String, String)| {
            known == id && (region == "*" || region == its_region)
        };
        let is_own =
            id == "*" || id == self.home.id.as_str() || self.exported.iter().any(is_exported);
        let is_same_account = account == "*"
            || account == identity.account
            || self.account.get_or_insert_with(|| account.to_owned()) == account;
        let is_whole = resource.contains('/') || id == "*";
        if is_own && is_same_account && is_whole && ours.iter().all(|(name, _)| is_plain(name)) {
            Became::Home(format!("execute-api:/{rest}"))
        } else {
            Became::Foreign
        }
    }
}
