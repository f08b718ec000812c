//! YAML text to a [`Node`] tree, within bounds.
//!
//! Of YAML only what JSON can express is accepted: no anchors and aliases (a few lines of them
//! expand to gigabytes), no tags, no second document, no keys that are not text. A key that stands
//! twice is refused with both places, because any choice between the two would surprise somebody.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::diagnostic::{Collector, FileId, Place};
use super::tree::{Entry, Mapping, Node, Value, shortened};

/// Largest configuration file.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// Deepest nesting of lists and mappings.
pub const DEPTH_MAX: usize = 32;
/// Most values, lists and mappings in one file.
pub const NODES_MAX: usize = 1_000_000;

/// What one file may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Deepest nesting of lists and mappings.
    pub(super) depth: usize,
    /// Most values, lists and mappings.
    pub(super) nodes: usize,
}

impl Bounds {
    /// Of a configuration.
    pub(super) const CONFIGURATION: Self = Self {
        depth: DEPTH_MAX,
        nodes: NODES_MAX,
    };
}

/// Reads `text`, which stands in `file`. `None` means that it could not be read to its end and says why in `diagnostics`;
/// a tree may come with errors too, at places that hold [`Value::Refused`].
pub(super) fn parse(
    text: &str,
    file: FileId,
    bounds: Bounds,
    diagnostics: &mut Collector,
) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        file,
        bounds,
        open: Vec::new(),
        root: None,
        documents: 0,
        nodes: 0,
    };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, span, diagnostics),
            Err(error) => {
                let message = format!("{}: correct the YAML there", error.info());
                Err((place(file, *error.marker()), message))
            }
        };
        if let Err((place, message)) = step {
            diagnostics.error(Some(place), "", message);
            return None;
        }
    }
    if builder.root.is_none() {
        let start = Place {
            file,
            line: 1,
            column: 1,
        };
        diagnostics.error(
            Some(start),
            "",
            "the file holds nothing: write into it what is meant",
        );
    }
    builder.root
}

struct Builder {
    file: FileId,
    bounds: Bounds,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
}

/// A list or mapping whose end has not been read yet.
enum Open {
    Sequence(Place, Vec<Node>),
    Mapping {
        place: Place,
        mapping: Mapping,
        /// Every key seen, also those whose value was refused.
        places: HashMap<String, Place>,
        key: Option<Key>,
    },
}

/// A key whose value has not been read yet.
enum Key {
    Fresh(String, Place),
    /// Already reported; its value is read and dropped.
    Refused,
}

/// What ends reading: where, and why.
type Fatal = (Place, String);

impl Builder {
    fn take(
        &mut self,
        event: Event<'_>,
        span: Span,
        diagnostics: &mut Collector,
    ) -> Result<(), Fatal> {
        let place = place(self.file, span.start);
        let refused = |builder: &mut Self, what: &str, diagnostics: &mut Collector| {
            diagnostics.error(Some(place), builder.path(), what);
        };
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((
                        place,
                        "a second document starts here: keep one per file".into(),
                    ));
                }
            }
            Event::Alias(_) => {
                refused(
                    self,
                    "aliases are not supported: write the value out",
                    diagnostics,
                );
                self.add(place, Value::Refused, diagnostics)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = if anchor != 0 || tag.is_some() {
                    refused(self, anchor_or_tag(tag.as_deref()), diagnostics);
                    Value::Refused
                } else {
                    let plain = style == ScalarStyle::Plain;
                    Value::Scalar {
                        text: text.into_owned(),
                        plain,
                    }
                };
                self.add(place, value, diagnostics)?;
            }
            Event::SequenceStart(anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    refused(self, anchor_or_tag(tag.as_deref()), diagnostics);
                }
                self.start(Open::Sequence(place, Vec::new()), place)?;
            }
            Event::MappingStart(anchor, tag) => {
                if anchor != 0 || tag.is_some() {
                    refused(self, anchor_or_tag(tag.as_deref()), diagnostics);
                }
                let open = Open::Mapping {
                    place,
                    mapping: Mapping::default(),
                    places: HashMap::new(),
                    key: None,
                };
                self.start(open, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Sequence(place, items)) => {
                    self.add(place, Value::Sequence(items), diagnostics)?;
                }
                Some(Open::Mapping { place, mapping, .. }) => {
                    self.add(place, Value::Mapping(mapping), diagnostics)?;
                }
                None => {}
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start(&mut self, open: Open, place: Place) -> Result<(), Fatal> {
        let Bounds { depth, .. } = self.bounds;
        if self.open.len() >= depth {
            return Err((place, format!("nested too deep: at most {depth} levels")));
        }
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            return Err((
                place,
                "a key has to be text, and not a list or mapping: put it in quotes".into(),
            ));
        }
        self.open.push(open);
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn add(
        &mut self,
        place: Place,
        value: Value,
        diagnostics: &mut Collector,
    ) -> Result<(), Fatal> {
        self.nodes += 1;
        let Bounds { nodes, .. } = self.bounds;
        if self.nodes > nodes {
            return Err((place, format!("there are too many values: at most {nodes}")));
        }
        match self.open.last_mut() {
            None => self.root = Some(Node { place, value }),
            Some(Open::Sequence(_, items)) => items.push(Node { place, value }),
            Some(Open::Mapping {
                mapping,
                places,
                key,
                ..
            }) => match key.take() {
                None => match fresh_key(place, value, places) {
                    Ok(fresh) => *key = Some(fresh),
                    Err(message) => {
                        *key = Some(Key::Refused);
                        diagnostics.error(Some(place), self.path(), message);
                    }
                },
                Some(Key::Refused) => {}
                Some(Key::Fresh(key, key_place)) => {
                    let node = Node { place, value };
                    mapping.push(Entry {
                        key,
                        key_place,
                        node,
                    });
                }
            },
        }
        Ok(())
    }

    /// The keys that lead here.
    fn path(&self) -> String {
        let mut path = super::cursor::Path::default();
        for open in &self.open {
            match open {
                Open::Sequence(_, items) => path = path.item(items.len()),
                Open::Mapping {
                    key: Some(Key::Fresh(key, _)),
                    ..
                } => path = path.key(key),
                Open::Mapping { .. } => {}
            }
        }
        path.to_string()
    }
}

/// What is said of an anchor or a tag. CloudFormation's short forms of functions are tags.
fn anchor_or_tag(tag: Option<&Tag>) -> &'static str {
    match tag {
        Some(tag) if tag.suffix == "Sub" => {
            "tags are not supported: write `!Sub` in its long form, `Fn::Sub: ..`, where it stands \
             in an OpenAPI definition"
        }
        Some(_) | None => "anchors and tags are not supported: write the value without",
    }
}

/// Accepts a key that stands for the first time in its mapping.
fn fresh_key(
    place: Place,
    value: Value,
    places: &mut HashMap<String, Place>,
) -> Result<Key, String> {
    let Value::Scalar { text, .. } = value else {
        return Ok(Key::Refused);
    };
    if let Some(Place { line, column, .. }) = places.get(&text) {
        let shown = shortened(&text);
        return Err(format!(
            "`{shown}` stands here again, first at {line}:{column}: keep one"
        ));
    }
    places.insert(text.clone(), place);
    Ok(Key::Fresh(text, place))
}

fn place(file: FileId, marker: saphyr_parser::Marker) -> Place {
    Place {
        file,
        line: marker.line(),
        column: marker.col() + 1,
    }
}
