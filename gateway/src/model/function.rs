//! Functions of AWS Lambda, as they are named.

use super::arn::{is_account, is_place};

/// Longest name of a function, with everything that may stand around it.
/// Source: AWS Lambda API Reference, `Invoke`.
const NAME_BYTES_MAX: usize = 170;

/// A function: its name, or its ARN, either with a version or an alias behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionName {
    whole: String,
    /// Of an ARN.
    region: Option<String>,
}

/// The text names no function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a function: write its name, or its ARN such as \
     `arn:aws:lambda:eu-west-1:111122223333:function:who`, and behind it `:` and a version or an \
     alias where it is not to be `$LATEST`"
)]
pub struct FunctionNameError;

impl FunctionName {
    /// Reads a name or an ARN.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(written: &str) -> Result<Self, FunctionNameError> {
        let parts: Vec<&str> = written.split(':').collect();
        let (region, name) = match parts.as_slice() {
            [
                "arn",
                partition,
                "lambda",
                region,
                account,
                "function",
                name @ ..,
            ] if is_place(partition) && is_place(region) && is_account(account) => {
                (Some((*region).to_owned()), name)
            }
            ["arn", ..] => return Err(FunctionNameError),
            name => (None, name),
        };
        let is_sound = match name {
            [name] => is_word(name),
            [name, "$LATEST"] => is_word(name),
            [name, qualifier] => is_word(name) && is_word(qualifier),
            _ => false,
        };
        if !is_sound || written.len() > NAME_BYTES_MAX {
            return Err(FunctionNameError);
        }
        Ok(Self {
            whole: written.to_owned(),
            region,
        })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The region that its ARN names.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

impl std::fmt::Display for FunctionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.whole)
    }
}

fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_functions_and_nothing_else_is() {
        for (written, region) in [
            ("who", None),
            ("who_is-it:7", None),
            ("who:$LATEST", None),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:who",
                Some("eu-west-1"),
            ),
            (
                "arn:aws-cn:lambda:cn-north-1:111122223333:function:who:live",
                Some("cn-north-1"),
            ),
        ] {
            let name = FunctionName::parse(written).unwrap();
            assert_eq!((name.as_str(), name.region()), (written, region));
        }
        for written in [
            "",
            "who is it",
            "../who",
            "who:",
            "who:1:2",
            "who/x",
            "arn:aws:lambda:eu-west-1:1111:function:who",
            "arn:aws:lambda:eu-west-1:111122223333:layer:who",
            "arn:aws:iam::111122223333:role/who",
            &"w".repeat(171),
        ] {
            assert_eq!(
                FunctionName::parse(written),
                Err(FunctionNameError),
                "{written}"
            );
        }
    }
}
