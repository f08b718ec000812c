use proptest::prelude::*;

use super::*;
use Class::{Binary, Text};
use ContentHandling::{ConvertToBinary, ConvertToText};

#[test]
fn the_first_media_type_counts() {
    for (header, expected) in [
        ("image/png", Some("image/png")),
        (" Image/PNG ;q=0.5, text/html", Some("image/png")),
        ("text/html,image/png", Some("text/html")),
        (
            "application/vnd.api+json; charset=utf-8",
            Some("application/vnd.api+json"),
        ),
        ("*/*", Some("*/*")),
        ("", None),
        (",image/png", None),
        ("image", None),
        ("image/", None),
        ("/png", None),
        ("image/p ng", None),
        ("image/png/x", None),
    ] {
        let found = MediaType::first(header).map(|found| found.to_string());
        assert_eq!(found.as_deref(), expected, "{header}");
    }
    assert!(MediaType::of_body(None).is("Application/JSON"));
    assert!(MediaType::of_body(Some("nonsense")).is("application/json"));
    assert!(!MediaType::of_body(Some("text/plain")).is("application/json"));
}

#[test]
fn wildcards_stand_for_whole_parts() {
    let class = |list: &[&str], header| {
        let list = BinaryMediaTypes::parse(list.iter().copied()).expect("valid");
        list.class(MediaType::of_body(Some(header)))
    };
    for (list, header, expected) in [
        (&["image/png"] as &[&str], "image/PNG", Binary),
        (&["image/png"], "image/gif", Text),
        (&["image/*"], "image/gif", Binary),
        (&["image/*"], "text/gif", Text),
        (&["*/*"], "text/html", Binary),
        (&["*/json"], "application/json", Binary),
        (&["image/png"], "*/*", Text),
        (&["*/*"], "*/*", Binary),
        (&["a/b", "image/png"], "image/png;q=1", Binary),
        // Without a media type it is JSON.
        (&["*/*"], "", Binary),
        (&["image/*"], "", Text),
        (&["application/json"], "", Binary),
        (&[], "image/png", Text),
    ] {
        assert_eq!(class(list, header), expected, "{list:?} {header}");
    }
}

#[test]
fn a_comma_outside_of_quotes_separates_types() {
    for (header, expected) in [
        ("text/plain, application/json", true),
        ("text/plain,", true),
        ("text/plain; a=b, application/json", true),
        (r#"multipart/mixed; boundary="a,b""#, false),
        (r#"multipart/mixed; boundary="a\",b""#, false),
        (r#"text/plain; a="\\", application/json"#, true),
        (r#"text/plain; a=", application/json"#, true),
        (r#"text/plain; a=""#, false),
        ("text/plain; charset=utf-8", false),
    ] {
        assert_eq!(are_several(header), expected, "{header}");
    }
}

#[test]
fn what_is_no_media_type_is_refused() {
    let long = format!("image/{}", "x".repeat(MEDIA_TYPE_BYTES_MAX));
    for entry in [
        "", "*", "image", "image/", "image/x*", "a/b/c", "a/b;c=d", " a/b", &long,
    ] {
        let error = BinaryMediaTypes::parse([entry]);
        assert!(matches!(error, Err(MediaTypeError::Entry(_))), "{entry}");
    }
    let most = vec!["a/b"; BINARY_MEDIA_TYPES_MAX];
    assert!(BinaryMediaTypes::parse(most.clone()).is_ok());
    let error = BinaryMediaTypes::parse(most.into_iter().chain(["a/b"]));
    assert_eq!(error, Err(MediaTypeError::TooMany));
}

#[test]
fn requests_follow_their_table() {
    for (body, handling, expected) in [
        (Text, None, Conversion::Text),
        (Text, Some(ConvertToText), Conversion::Text),
        (Text, Some(ConvertToBinary), Conversion::Base64Decode),
        (Binary, None, Conversion::Unchanged),
        (Binary, Some(ConvertToBinary), Conversion::Unchanged),
        (Binary, Some(ConvertToText), Conversion::Base64Encode),
    ] {
        assert_eq!(of_request(Transfer::Converted, body, handling), expected);
        assert_eq!(
            of_request(Transfer::Intact, body, handling),
            Conversion::Unchanged
        );
    }
}

#[test]
fn responses_follow_their_table() {
    for (payload, accept, handling, expected) in [
        // Without a list every class is text.
        (Text, Text, None, Conversion::Text),
        (Text, Text, Some(ConvertToText), Conversion::Text),
        (Text, Text, Some(ConvertToBinary), Conversion::Base64Decode),
        (Text, Binary, None, Conversion::Base64Decode),
        (
            Text,
            Binary,
            Some(ConvertToBinary),
            Conversion::Base64Decode,
        ),
        (Text, Binary, Some(ConvertToText), Conversion::Text),
        (Binary, Text, None, Conversion::Base64Encode),
        (Binary, Text, Some(ConvertToText), Conversion::Base64Encode),
        (Binary, Text, Some(ConvertToBinary), Conversion::Unchanged),
        (Binary, Binary, None, Conversion::Unchanged),
        (Binary, Binary, Some(ConvertToBinary), Conversion::Unchanged),
        (
            Binary,
            Binary,
            Some(ConvertToText),
            Conversion::Base64Encode,
        ),
    ] {
        assert_eq!(
            of_response(Transfer::Converted, payload, accept, handling),
            expected
        );
        let intact = of_response(Transfer::Intact, payload, accept, handling);
        assert_eq!(intact, Conversion::Unchanged);
    }
}

proptest! {
    #[test]
    fn matching_is_that_of_a_naive_matcher(
        entries in prop::collection::vec("([ab]|\\*)/([cd]|\\*)", 0..4),
        media_type in "[abAB]/[cdCD]",
    ) {
        let lower = media_type.to_lowercase();
        let naive = |entry: &String| {
            let parts = entry.split('/').zip(lower.split('/'));
            parts.clone().count() == 2 && parts.clone().all(|(entry, part)| entry == "*" || entry == part)
        };
        let expected = if entries.iter().any(naive) { Binary } else { Text };
        let list = BinaryMediaTypes::parse(entries.iter().map(String::as_str)).expect("valid");
        prop_assert_eq!(list.class(MediaType::of_body(Some(&media_type))), expected);
    }

    #[test]
    fn no_header_makes_it_panic(header in "[a/;,*ü ]{0,20}") {
        let _first: Option<MediaType<'_>> = MediaType::first(&header);
    }
}
