//! A store: policies, schema and entities that answer questions.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cedar_policy::{AuthorizationError, Authorizer, Decision, Entities, PolicyId, Schema};

use super::about::About;
use super::entity;
use super::hierarchy::{ANCESTORS_MAX, FOUND_ANCESTORS_MAX};
use super::nesting::{Bounds, FOUND, OWN, SCHEMA, too_deep};
use super::once::each_once;
use super::policies::Policies;
use super::problem::{Problem, Source};
use super::question::{EntityName, Question, TypeName, Unanswerable};
use super::reach;
use super::weight;

/// The texts that a store is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Policies in Cedar's syntax.
    pub policies: Vec<Arc<Source>>,
    /// A schema, in Cedar's syntax or, where the text begins with `{`, in JSON.
    pub schema: Option<Arc<Source>>,
    /// Entities in JSON.
    pub entities: Option<Arc<Source>>,
}

/// Who wrote a store, and how much is read of that.
#[derive(Clone, Copy)]
enum Author {
    Operator,
    Another,
}

impl Author {
    const fn nesting(self) -> Bounds {
        match self {
            Self::Operator => OWN,
            Self::Another => FOUND,
        }
    }

    const fn ancestors_max(self) -> usize {
        match self {
            Self::Operator => ANCESTORS_MAX,
            Self::Another => FOUND_ANCESTORS_MAX,
        }
    }
}

/// What was read of a store's texts.
pub struct Store {
    sources: Sources,
    policy_count: usize,
    schema: Option<Arc<Schema>>,
    pub(super) entities: Entities,
    /// Those of them that policies get to whatever is asked, where that is known.
    pub(super) reached: Option<Entities>,
    ancestor_count: usize,
    pub(super) about: About,
    authorizer: Authorizer,
}

/// What a store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the request may go on: a policy permits it, none forbids it, and none failed.
    pub is_allowed: bool,
    /// The ids of the policies that decided, in their order: those that permit it, or those that
    /// forbid it. Empty where none was about it.
    pub policies: Vec<Arc<str>>,
    /// The ids of the policies that could not be evaluated.
    pub failed: Vec<Arc<str>>,
}

impl Store {
    /// Reads a store, with what is probably not meant in it.
    ///
    /// # Errors
    /// Every mistake, at least one.
    pub fn read(sources: Sources) -> Result<(Self, Vec<Problem>), Vec<Problem>> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let schema = sources
            .schema
            .as_deref()
            .and_then(|source| read_schema(source, &mut problems, &mut warnings));
        let found = (&mut problems, &mut warnings);
        let store = Self::assemble(sources, schema.map(Arc::new), Author::Operator, found);
        if problems.is_empty() {
            Ok((store, warnings))
        } else {
            Err(problems)
        }
    }

    /// Reads a store of these policies and entities, under the schema of this one. Whoever wrote them is
    /// not believed to mean well: less may stand within something else.
    ///
    /// # Errors
    /// Every mistake, at least one.
    pub fn under(
        &self,
        policies: Vec<Arc<Source>>,
        entities: Option<Arc<Source>>,
    ) -> Result<Self, Vec<Problem>> {
        let sources = Sources {
            policies,
            schema: self.sources.schema.clone(),
            entities,
        };
        let mut problems = Vec::new();
        let found = (&mut problems, &mut Vec::new());
        let store = Self::assemble(sources, self.schema.clone(), Author::Another, found);
        if problems.is_empty() {
            Ok(store)
        } else {
            Err(problems)
        }
    }

    /// A store of what `sources` say, which may be less than they should; `problems` and `warnings` get
    /// what is wrong, or probably not meant.
    fn assemble(
        sources: Sources,
        schema: Option<Arc<Schema>>,
        author: Author,
        (problems, warnings): (&mut Vec<Problem>, &mut Vec<Problem>),
    ) -> Self {
        let mut policies = Policies::default();
        for source in &sources.policies {
            match too_deep(source, author.nesting()) {
                Some(problem) => problems.push(problem),
                None => policies.read(source, problems),
            }
        }
        // Against half of a schema, or none, everything would be wrong.
        let is_whole = schema.is_some() || sources.schema.is_none();
        let (mut entities, mut ancestor_count) = (Entities::empty(), 0);
        if is_whole {
            if let Some(schema) = &schema {
                policies.check(schema, problems, warnings);
            }
            (entities, ancestor_count) = entity::read(
                sources.entities.as_deref(),
                schema.as_deref(),
                author.ancestors_max(),
                problems,
            );
        }
        policies.review(sources.policies.first().map(|it| &**it), warnings);
        Self {
            sources,
            about: About::sort(&policies.set),
            reached: reach::of_policies(&entities, &policies.set),
            policy_count: policies.set.num_of_policies(),
            schema,
            entities,
            ancestor_count,
            authorizer: Authorizer::new(),
        }
    }

    /// A store without policies, which refuses everything.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            sources: Sources::default(),
            policy_count: 0,
            schema: None,
            entities: Entities::empty(),
            reached: None,
            ancestor_count: 0,
            about: About::default(),
            authorizer: Authorizer::new(),
        }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// Where it cannot be asked, which is a no as well.
    pub fn answer(&self, question: &Question) -> Result<Answer, Unanswerable> {
        let schema = self.schema.as_deref();
        let request = question.request(schema)?;
        let described = each_once(Some(&question.principal), &question.resource)?;
        let own;
        let entities = if described.is_empty() {
            &self.entities
        } else {
            let few = self.few(question);
            own = entity::with(few, &self.entities, &described, schema)?;
            &own
        };
        let action = question.action.uid();
        let (mut permits, mut forbids) = (BTreeSet::new(), BTreeSet::new());
        let mut failed = BTreeSet::new();
        for policies in self.about.sets(&action, entities) {
            let found = self.authorizer.is_authorized(&request, policies, entities);
            let diagnostics = found.diagnostics();
            let decided = match found.decision() {
                Decision::Allow => &mut permits,
                Decision::Deny => &mut forbids,
            };
            decided.extend(diagnostics.reason().map(named));
            let errors = diagnostics.errors().map(|error| match error {
                AuthorizationError::PolicyEvaluationError(error) => named(error.policy_id()),
            });
            failed.extend(errors);
        }
        let is_permitted = forbids.is_empty() && !permits.is_empty();
        let decided = if is_permitted { permits } else { forbids };
        Ok(Answer {
            is_allowed: is_permitted && failed.is_empty(),
            policies: decided.into_iter().collect(),
            failed: failed.into_iter().collect(),
        })
    }

    /// The entities that a question can lead to, of which most stores have few.
    fn few(&self, question: &Question) -> Entities {
        let few = self.reached.as_ref().and_then(|reached| {
            let more = reach::of_question(&self.entities, reached, question)?;
            reached.clone().add_entities(more, None).ok()
        });
        few.unwrap_or_else(|| self.entities.clone())
    }

    /// Whether its schema has this type of entities; without a schema every one may be there.
    #[must_use]
    pub fn has_type(&self, kind: &TypeName) -> bool {
        let schema = self.schema.as_ref();
        schema.is_none_or(|schema| schema.entity_types().any(|known| *known == kind.0))
    }

    /// Whether its schema has this action.
    #[must_use]
    pub fn has_action(&self, action: &EntityName) -> bool {
        let uid = action.uid();
        let schema = self.schema.as_ref();
        schema.is_none_or(|schema| schema.actions().any(|known| *known == uid))
    }

    /// How many policies it has.
    #[must_use]
    pub const fn policy_count(&self) -> usize {
        self.policy_count
    }

    /// Bytes of memory that its policies and entities take at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let policies = self.sources.policies.iter();
        let policies: usize = policies.map(|it| weight::of_policies(&it.text)).sum();
        let entities = self.sources.entities.as_ref();
        let entities = entities.map(|it| weight::of_entities(&it.text, self.ancestor_count));
        policies + entities.unwrap_or_default()
    }
}

fn named(id: &PolicyId) -> Arc<str> {
    Arc::from(id.to_string())
}

fn read_schema(
    source: &Source,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Schema> {
    if source.text.trim_start().starts_with('{') {
        return Schema::from_json_str(&source.text)
            .map_err(|error| problems.push(source.diagnosed(&error, None)))
            .ok();
    }
    if let Some(problem) = too_deep(source, SCHEMA) {
        problems.push(problem);
        return None;
    }
    match Schema::from_cedarschema_str(&source.text) {
        Ok((schema, found)) => {
            warnings.extend(found.map(|warning| source.diagnosed(&warning, None)));
            Some(schema)
        }
        Err(error) => {
            problems.push(source.diagnosed(&error, None));
            None
        }
    }
}

// What runs is what the texts say.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

impl Eq for Store {}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("sources", &self.sources)
            .field("policies", &self.policy_count())
            .finish_non_exhaustive()
    }
}
