//! Routes as a tree of segments.
//!
//! A lookup walks down by segment and steps back where a branch ends without a route. Every node
//! is reached by exactly one path from the root, so a lookup visits no node twice and its cost is
//! bounded by the tree along the request's own segments.

use std::borrow::Cow;
use std::collections::HashMap;

use super::RequestPath;
use crate::model::{Method, RouteMethod, Segment};

/// Finds the value of type `T` for a method and path.
#[derive(Debug, Clone)]
pub struct Router<T> {
    nodes: Vec<Node>,
    default: Option<usize>,
    values: Vec<Entry<T>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    value: T,
    parameters: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    variable: Option<usize>,
    here: Methods,
    greedy: Methods,
}

#[derive(Debug, Clone, Default)]
struct Methods {
    only: Vec<(Method, usize)>,
    any: Option<usize>,
}

/// A route that answers, with its path parameters in the order of the path: decoded, and for a
/// greedy one the raw rest of the path.
#[derive(Debug, PartialEq, Eq)]
pub struct Match<'r, 'p, T> {
    /// What the route stands for.
    pub value: &'r T,
    /// Names and values.
    pub parameters: Vec<(&'r str, Cow<'p, str>)>,
}

impl<T> Match<'_, '_, T> {
    /// The parameters, for whoever outlives the request's path.
    #[must_use]
    pub fn owned_parameters(&self) -> Vec<(String, String)> {
        let parameters = self.parameters.iter();
        let owned = parameters.map(|(name, value)| ((*name).to_owned(), value.to_string()));
        owned.collect()
    }
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            default: None,
            values: Vec::new(),
        }
    }
}

impl<T> Router<T> {
    /// Adds a route; `path` is `None` for `$default`. Of two routes with one meaning the later one
    /// wins; the configuration refuses such pairs.
    pub fn insert(&mut self, method: &RouteMethod, path: Option<&[Segment]>, value: T) {
        let index = self.values.len();
        let parameters = path
            .unwrap_or_default()
            .iter()
            .filter_map(|segment| match segment {
                Segment::Static(_) => None,
                Segment::Parameter(name) | Segment::Greedy(name) => Some(name.clone()),
            });
        self.values.push(Entry {
            value,
            parameters: parameters.collect(),
        });
        let Some(path) = path else {
            self.default = Some(index);
            return;
        };
        let mut node = 0;
        for segment in path {
            node = match segment {
                Segment::Static(text) => self.literal_child(node, text),
                Segment::Parameter(_) => self.variable_child(node),
                Segment::Greedy(_) => {
                    if let Some(node) = self.nodes.get_mut(node) {
                        node.greedy.insert(method, index);
                    }
                    return;
                }
            };
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.here.insert(method, index);
        }
    }

    /// Everything that was inserted.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().map(|entry| &entry.value)
    }

    fn literal_child(&mut self, node: usize, text: &str) -> usize {
        let fresh = self.nodes.len();
        let Some(parent) = self.nodes.get_mut(node) else {
            return node;
        };
        if let Some(&child) = parent.literals.get(text) {
            return child;
        }
        parent.literals.insert(text.into(), fresh);
        self.nodes.push(Node::default());
        fresh
    }

    fn variable_child(&mut self, node: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(parent) = self.nodes.get_mut(node) else {
            return node;
        };
        if let Some(child) = parent.variable {
            return child;
        }
        parent.variable = Some(fresh);
        self.nodes.push(Node::default());
        fresh
    }

    /// The route of an HTTP API for `method` and `path`; `None` means 404.
    #[must_use]
    pub fn find<'r, 'p>(
        &'r self,
        method: &http::Method,
        path: &RequestPath<'p>,
    ) -> Option<Match<'r, 'p, T>> {
        let method = named(method);
        let mut variables = Vec::with_capacity(4);
        if let Some(index) = self.whole(0, 0, method, path, &mut variables) {
            return self.matched(index, variables, None, path);
        }
        variables.clear();
        if let Some((index, from)) = self.greedy(0, 0, method, path, &mut variables) {
            return self.matched(index, variables, Some(from), path);
        }
        self.matched(self.default?, Vec::new(), None, path)
    }

    /// The method of a REST API for `method` and `path`: the resource first, whatever its methods.
    #[must_use]
    pub fn find_method<'r, 'p>(
        &'r self,
        method: &http::Method,
        path: &RequestPath<'p>,
    ) -> Option<Match<'r, 'p, T>> {
        let mut variables = Vec::with_capacity(4);
        let (methods, greedy_from) = self.resource(0, 0, path, &mut variables)?;
        // `ANY` of a REST API stands for the seven methods and no other.
        let index = methods.find(Some(named(method)?))?;
        self.matched(index, variables, greedy_from, path)
    }

    /// The resource that the path from `node` and segment `at` on leads to, and the segment its
    /// greedy variable starts at. What has no method is no resource.
    fn resource(
        &self,
        node: usize,
        at: usize,
        path: &RequestPath<'_>,
        variables: &mut Vec<usize>,
    ) -> Option<(&Methods, Option<usize>)> {
        let node = self.nodes.get(node)?;
        let Some(segment) = segment(path, at) else {
            return Some((&node.here, None)).filter(|_| !node.here.is_empty());
        };
        if let Some(&child) = node.literals.get(segment)
            && let Some(found) = self.resource(child, at + 1, path, variables)
        {
            return Some(found);
        }
        if let Some(child) = node.variable.filter(|_| !segment.is_empty()) {
            variables.push(at);
            if let Some(found) = self.resource(child, at + 1, path, variables) {
                return Some(found);
            }
            variables.pop();
        }
        Some((&node.greedy, Some(at))).filter(|_| !node.greedy.is_empty())
    }

    fn matched<'r, 'p>(
        &'r self,
        index: usize,
        variables: Vec<usize>,
        greedy_from: Option<usize>,
        path: &RequestPath<'p>,
    ) -> Option<Match<'r, 'p, T>> {
        let entry = self.values.get(index)?;
        let decoded = variables
            .into_iter()
            .filter_map(|at| path.segments().get(at).cloned());
        // Slashes in front of the rest would make another path where it is put to use.
        let rest = greedy_from.map(|from| path.raw_from(from).trim_start_matches('/'));
        let rest = rest.map(Cow::Borrowed);
        let names = entry.parameters.iter().map(String::as_str);
        Some(Match {
            value: &entry.value,
            parameters: names.zip(decoded.chain(rest)).collect(),
        })
    }

    /// The best route whose whole path matches from `node` and segment `at` on. `variables` holds
    /// the positions of the variable segments on the way.
    fn whole(
        &self,
        node: usize,
        at: usize,
        method: Option<Method>,
        path: &RequestPath<'_>,
        variables: &mut Vec<usize>,
    ) -> Option<usize> {
        let node = self.nodes.get(node)?;
        let Some(segment) = segment(path, at) else {
            return node.here.find(method);
        };
        if let Some(&child) = node.literals.get(segment)
            && let Some(found) = self.whole(child, at + 1, method, path, variables)
        {
            return Some(found);
        }
        let child = node.variable.filter(|_| !segment.is_empty())?;
        variables.push(at);
        let found = self.whole(child, at + 1, method, path, variables);
        if found.is_none() {
            variables.pop();
        }
        found
    }

    /// The best greedy route, and the segment its variable starts at: deepest first.
    fn greedy(
        &self,
        node: usize,
        at: usize,
        method: Option<Method>,
        path: &RequestPath<'_>,
        variables: &mut Vec<usize>,
    ) -> Option<(usize, usize)> {
        let node = self.nodes.get(node)?;
        let segment = segment(path, at)?;
        if let Some(&child) = node.literals.get(segment)
            && let Some(found) = self.greedy(child, at + 1, method, path, variables)
        {
            return Some(found);
        }
        if let Some(child) = node.variable.filter(|_| !segment.is_empty()) {
            variables.push(at);
            if let Some(found) = self.greedy(child, at + 1, method, path, variables) {
                return Some(found);
            }
            variables.pop();
        }
        // The rest of the path must not be empty: `/files/` is not `/files/{proxy+}`.
        let rest_is_empty = segment.is_empty() && at + 1 == path.segments().len();
        node.greedy
            .find(method)
            .filter(|_| !rest_is_empty)
            .map(|index| (index, at))
    }
}

/// The segment at `at`; the root path `/` has none.
fn segment<'s>(path: &'s RequestPath<'_>, at: usize) -> Option<&'s str> {
    let segments = path.segments();
    if let [only] = segments
        && only.is_empty()
    {
        return None;
    }
    segments.get(at).map(AsRef::as_ref)
}

impl Methods {
    fn insert(&mut self, method: &RouteMethod, index: usize) {
        match method {
            RouteMethod::Any => self.any = Some(index),
            RouteMethod::Only(method) => {
                self.only.retain(|(existing, _)| existing != method);
                self.only.push((*method, index));
            }
        }
    }

    const fn is_empty(&self) -> bool {
        self.only.is_empty() && self.any.is_none()
    }

    fn find(&self, method: Option<Method>) -> Option<usize> {
        let only = self.only.iter().find(|(only, _)| Some(*only) == method);
        only.map(|(_, index)| *index).or(self.any)
    }
}

/// The method as routes name it; others are matched by `ANY` alone.
fn named(method: &http::Method) -> Option<Method> {
    match method.as_str() {
        "GET" => Some(Method::Get),
        "POST" => Some(Method::Post),
        "PUT" => Some(Method::Put),
        "PATCH" => Some(Method::Patch),
        "DELETE" => Some(Method::Delete),
        "HEAD" => Some(Method::Head),
        "OPTIONS" => Some(Method::Options),
        _ => None,
    }
}

#[cfg(test)]
#[path = "trie_tests.rs"]
mod tests;
