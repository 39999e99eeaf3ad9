//! The page that browsers get: one file with its script and its style in it, and the headers that go with it.
//!
//! Nothing of it depends on the request, so it is bytes in this program. Its policy lets a browser run the script and
//! use the style of this file and nothing else, by their hashes: those stand here, and a test compares them with the
//! file, as it does the tag by which browsers know whether their copy is current.

/// The document at `/` and at `/room/NAME`.
pub const PAGE: &str = include_str!("web/page.html");

/// `ETag` of the document.
pub const ETAG: &str = "\"d890858bd229cac6\"";

/// `Content-Security-Policy` of the document.
pub const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-13E4gPQ88VH4W2a0B+6MHavZ+SnZByccAd9Cph5/MlU='; \
    style-src 'sha256-/ANr9kCrB9fkxx01cVMQByvxuBIClM9KpM4vuqnyU/8='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest, Sha256};

    use super::*;

    /// The text between the only two such tags of the page.
    fn between(open: &str, close: &str) -> &'static str {
        assert_eq!((PAGE.matches(open).count(), PAGE.matches(close).count()), (1, 1), "{open}");
        let (_, rest) = PAGE.split_once(open).unwrap();
        rest.split_once(close).unwrap().0
    }

    fn source(text: &str) -> String {
        format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
    }

    #[test]
    fn the_policy_and_the_tag_are_those_of_the_page() {
        let (script, style) =
            (source(between("<script type=\"module\">", "</script>")), source(between("<style>", "</style>")));
        let expected = format!(
            "default-src 'none'; script-src {script}; style-src {style}; \
            connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(POLICY, expected, "src/web.rs has other hashes than src/web/page.html");
        let tag = format!("\"{}\"", &HEXLOWER.encode(&Sha256::digest(PAGE))[..16]);
        assert_eq!(ETAG, tag, "src/web.rs has another tag than src/web/page.html");
    }

    #[test]
    fn the_page_is_one_file_that_makes_text_of_all_that_it_is_told() {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            " style=\"",
            " onclick=",
            "alert(",
            "src=",
            "@import",
            "url(",
        ] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        // Addresses of others stand in it only as names of formats.
        let addresses = PAGE.match_indices("http").map(|(at, _)| &PAGE[at..(at + 24).min(PAGE.len())]);
        for address in addresses.filter(|text| text.starts_with("http://") || text.starts_with("https://")) {
            assert!(address.starts_with("http://www.w3.org/"), "{address}");
        }
    }
}
