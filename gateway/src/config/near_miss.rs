//! What somebody probably meant.

/// The candidate that `written` is most likely a misspelling of, if any is close enough: one edit
/// in short words, up to a third of the letters in long ones, letter case aside.
pub(super) fn near_miss<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Comparing costs the product of both lengths, for each candidate.
    const LENGTH_MAX: usize = 128;
    const CANDIDATES_MAX: usize = 1_000;
    if written.len() > LENGTH_MAX {
        return None;
    }
    let lower = written.to_lowercase();
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .filter(|(distance, candidate)| *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `: did you mean `x`?` to stand behind the message about `written`, or what there is to choose
/// from, or `: {otherwise}` where there is nothing, or too much to list.
pub(super) fn suggestion<'a>(
    written: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
    otherwise: &str,
) -> String {
    if let Some(meant) = near_miss(written, candidates.clone()) {
        return format!(": did you mean `{meant}`?");
    }
    match choice(candidates.clone()) {
        Some(only) if candidates.count() == 1 => format!(": there is only {only}"),
        Some(choice) => format!(": choose from {choice}"),
        None => format!(": {otherwise}"),
    }
}

/// `a`, `b` and `c`; `None` where there is nothing or too much to list.
pub(super) fn choice<'a>(candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    const LISTED_MAX: usize = 24;
    let quoted: Vec<String> = candidates
        .take(LISTED_MAX + 1)
        .map(|candidate| format!("`{candidate}`"))
        .collect();
    let (last, rest) = quoted.split_last()?;
    if quoted.len() > LISTED_MAX {
        return None;
    }
    Some(match rest {
        [] => last.clone(),
        rest => format!("{} and {last}", rest.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        let keys = ["integration", "authorizer", "body", "body_max"];
        assert_eq!(near_miss("integratoin", keys), Some("integration"));
        assert_eq!(near_miss("Authorizer", keys), Some("authorizer"));
        assert_eq!(near_miss("bdoy", keys), Some("body"));
        assert_eq!(near_miss("cache", keys), None);
        assert_eq!(near_miss("", keys), None);
        assert_eq!(near_miss(&"x".repeat(10_000), keys), None);
    }

    #[test]
    fn lists_a_short_choice() {
        assert_eq!(choice(["a"].into_iter()).as_deref(), Some("`a`"));
        assert_eq!(
            choice(["a", "b", "c"].into_iter()).as_deref(),
            Some("`a`, `b` and `c`")
        );
        assert_eq!(choice([].into_iter()), None);
    }
}
