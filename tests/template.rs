//! `varsTemplate` gives what Go's text/template with sprig gives, and stays in bounds whatever it is told.
//!
//! `tests/data/template/cases.json` was written by the real thing; the README beside it says how.
//! `TEMPLATE_CASES=FILE` runs another file of the same form.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;

use imgcompat::rules::matched::Matched;
use imgcompat::rules::template::{Family, TemplateError, execute, function_list, render};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    template: String,
    output: Option<String>,
    error: Option<String>,
}

fn data() -> Matched {
    let text = fs::read_to_string("tests/data/template/data.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn cases() -> Vec<Case> {
    let path = std::env::var("TEMPLATE_CASES");
    let path = path.as_deref().unwrap_or("tests/data/template/cases.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What we give instead of what Go gives.
enum Instead {
    Output(&'static str),
    Unsupported,
    Error,
    Limit,
}

/// Where we differ on purpose: the template, what we give, and why.
const DIFFERENCES: &[(&str, Instead, &str)] = &[
    (
        r#"{{$l := splitList "," "b,a"}}{{$s := sortAlpha $l}}{{$l}}"#,
        Instead::Output("[b a]"),
        "lists never change in place",
    ),
    ("{{1i}}", Instead::Error, "no template needs complex numbers"),
    ("{{1+2i}}", Instead::Error, "no template needs complex numbers"),
    (r#"{{b64dec "!"}}"#, Instead::Error, "the words of an error are no decoded text"),
    (r#"{{b32dec "!"}}"#, Instead::Error, "the words of an error are no decoded text"),
    (r#"{{printf "%x" 1.5}}"#, Instead::Unsupported, "no template needs hexadecimal floats"),
    (r#"{{printf "%b" 1.5}}"#, Instead::Unsupported, "no template needs binary floats"),
    (r#"{{(semver "1.2.3").IncMinor}}"#, Instead::Error, "versions are read, not made"),
    (
        r#"{{(semver "1.2.3").Compare (semver "1.2.2")}}"#,
        Instead::Error,
        "methods with arguments are not supported; semverCompare is",
    ),
    ("{{addf 1e300 1}}", Instead::Error, "decimals have 38 digits"),
    (
        "{{slice (append (list 1 2) 3) 0 4 | len}}",
        Instead::Error,
        "what lies behind the end of a list in memory is nobody's business",
    ),
    (
        r#"{{$d := dict}}{{$_ := set $d "self" $d}}{{toJson $d}}|"#,
        Instead::Limit,
        "values inside values are bounded",
    ),
    (r#"{{base "a/b"}}"#, Instead::Unsupported, "paths have no place in a specification"),
    (r#"{{sha1sum "a"}}"#, Instead::Unsupported, "SHA-1 is broken"),
    (r#"{{genCA "a" 1 | kindOf}}"#, Instead::Unsupported, "secrets and chance"),
    (
        r#"{{printf "%#v" (semver "1.2.3")}}"#,
        Instead::Unsupported,
        "the inside of a version is the library's",
    ),
    (
        r#"{{printf "%d" (semver "1.2.3")}}"#,
        Instead::Unsupported,
        "the inside of a version is the library's",
    ),
    (r#"{{shuffle "a"}}"#, Instead::Unsupported, "chance"),
];

#[test]
fn every_template_gives_what_go_gives() {
    let data = data();
    let mut wrong = Vec::new();
    for case in cases() {
        let ours = render(&case.template, &data);
        let instead = DIFFERENCES.iter().find(|(template, ..)| *template == case.template);
        let agrees = match (&ours, &case.output, instead.map(|(_, instead, _)| instead)) {
            (Ok(ours), Some(go), None) => ours == go,
            (Err(TemplateError::Syntax { .. } | TemplateError::Execution { .. }), None, None) => {
                true
            }
            (Ok(ours), Some(_), Some(Instead::Output(output))) => ours == output,
            (Err(TemplateError::Unsupported { .. }), Some(_), Some(Instead::Unsupported)) => true,
            (Err(TemplateError::Limit { .. }), Some(_), Some(Instead::Limit)) => true,
            (
                Err(TemplateError::Syntax { .. } | TemplateError::Execution { .. }),
                Some(_),
                Some(Instead::Error),
            ) => true,
            _ => false,
        };
        if !agrees {
            let Case { template, output, error } = case;
            wrong.push(format!("{template}\n   go: {output:?} {error:?}\n ours: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_difference_is_still_one() {
    let templates: BTreeSet<String> = cases().into_iter().map(|case| case.template).collect();
    for (template, ..) in DIFFERENCES {
        assert!(templates.contains(*template), "{template}");
    }
}

/// The words of all templates in the corpus, to see which functions they use.
fn words() -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let cases = cases();
    let words = cases.iter().flat_map(|case| case.template.split(|c| !is_word(c)));
    words.map(str::to_owned).collect()
}

#[test]
fn every_supported_function_is_compared_with_go() {
    let words = words();
    let missing: Vec<&str> = function_list()
        .filter(|(_, family)| *family != Family::Refused)
        .map(|(name, _)| name)
        .filter(|name| !words.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn honest_work_is_affordable() {
    let cases = [
        "{{range 200}}{{semverCompare \">=1.2, <2.0 || ^3\" \"1.10.3\"}}{{end}}",
        "{{range until 1000}}{{regexReplaceAll \"^([a-z]+)-([0-9]+)\" \"eth-12.34\" \"$2$1\"}}{{end}}",
        "{{$l := list}}{{range $i := until 500}}{{$l = append $l $i}}{{end}}{{len $l}}",
        "{{$d := dict}}{{range $i := until 5000}}{{$_ := set $d (toString $i) $i}}{{end}}{{len $d}}",
        "{{range until 20000}}{{if contains \"a\" \"kernel/drivers/net/a.ko\"}}x{{end}}{{end}}",
        "{{regexFindAll \"[a-z]+\" (repeat 1000 \"ab cd \") -1 | len}}",
        "{{range until 3000}}{{printf \"%s=%05d\" (upper \"abc\") .}}\n{{end}}",
    ];
    for source in cases {
        assert!(render(source, &data()).is_ok(), "{source}: {:?}", render(source, &data()));
    }
}

#[test]
fn refused_functions_are_named() {
    for (name, family) in function_list() {
        if family == Family::Refused {
            let error = render(&format!("a\n{{{{{name} 1}}}}"), &data()).unwrap_err();
            assert_eq!(error.to_string(), format!("line 2: function `{name}` is not supported"));
        }
    }
}

#[test]
fn a_refused_function_that_is_not_reached_does_no_harm() {
    assert_eq!(render("{{if false}}{{now}}{{end}}ok", &data()).unwrap(), "ok");
}

fn variables(source: &str) -> Result<Vec<(String, String)>, TemplateError> {
    execute(source, &data())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn output_lines_become_variables() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("", &[]),
        (" \n\t\n", &[]),
        ("a=1", &[("a", "1")]),
        ("  a = 1  \r\n", &[("a ", " 1")]),
        ("a=b=c\n=\n", &[("a", "b=c"), ("", "")]),
        ("a=1\na=2", &[("a", "1"), ("a", "2")]),
        (
            "{{range .pci.device}}{{.vendor}}={{.class}}\n{{end}}",
            &[("15b3", "0200"), ("10de", "0302")],
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(variables(source).unwrap(), pairs(expected), "{source:?}");
    }
}

#[test]
fn messages_say_where_and_what() {
    let cases = [
        ("a=1\nb", "output line \"b\" has no `=`; lines are `key=value`"),
        ("x\n{{", "line 2: unclosed action"),
        ("{{if}}", "line 1: missing value for if"),
        ("{{nope}}", "line 1: function \"nope\" is not defined"),
        ("\n\n{{.cpu.nope}}", "line 3: there is no entry for key \"nope\""),
        ("{{if true}}", "line 1: unexpected end of the template: {{end}} is missing"),
        ("{{upper 1}}", "line 1: wrong type for value: expected string, got int"),
        ("{{fail \"no GPU\"}}", "line 1: fail: no GPU"),
        ("{{trunc 1}}", "line 1: trunc takes 2 arguments, not 1"),
    ];
    for (source, message) in cases {
        assert_eq!(variables(source).unwrap_err().to_string(), message, "{source:?}");
    }
}

/// Templates that would take all memory, time or stack; the first is the one known from NFD.
fn bombs() -> Vec<String> {
    let parens = |n: usize| format!("{{{{{}1{}}}}}", "(".repeat(n), ")".repeat(n));
    let nested = |open: &str, n: usize| {
        format!("{}{}", open.repeat(n), "{{end}}".repeat(n * open.matches("{{").count()))
    };
    let doubling = |step: &str, start: &str| {
        format!(
            "{{{{$x := {start}}}}}{{{{range until 64}}}}{{{{$x = {step}}}}}{{{{end}}}}{{{{len $x}}}}"
        )
    };
    vec![
        "{{len (until 20000000)}}".to_owned(),
        "{{len (untilStep -9223372036854775807 9223372036854775807 1)}}".to_owned(),
        "{{seq 1 100000000}}".to_owned(),
        "{{repeat 1000000000 \"a\"}}".to_owned(),
        "{{repeat 9223372036854775807 \"ab\"}}".to_owned(),
        "{{range until 1000}}{{range until 1000}}{{range until 1000}}x{{end}}{{end}}{{end}}".to_owned(),
        "{{range 1000000000}}{{end}}".to_owned(),
        "{{range 100000}}{{repeat 10000 \"a\"}}{{end}}".to_owned(),
        "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}".to_owned(),
        "{{define \"t\"}}{{template \"t\" (list .)}}{{end}}{{template \"t\" 1}}".to_owned(),
        "{{template \"\"}}".to_owned(),
        parens(5_000),
        nested("{{if true}}", 3_000),
        nested("{{range list 1}}", 2_000),
        format!("{{{{define \"t\"}}}}{}{{{{end}}}}{{{{template \"t\"}}}}", {
            let inner = parens(90).replace('1', "index (list 1) 0");
            format!("{}{{{{template \"t\"}}}}{}{inner}", "{{if 1}}".repeat(90), "{{end}}".repeat(90))
        }),
        doubling("concat $x $x", "list 1"),
        doubling("print $x $x", "\"ab\""),
        doubling("list $x $x", "list 1"),
        doubling("dict \"a\" $x \"b\" $x", "dict"),
        doubling("replace \"a\" \"aa\" $x", "\"a\""),
        doubling("cat $x $x", "\"a\""),
        doubling("join $x (list $x $x $x)", "\"a\""),
        doubling("indent 100000 $x", "\"a\\nb\""),
        doubling("printf \"%s%s\" $x $x", "\"a\""),
        doubling("toJson (list $x $x)", "\"\\\"\""),
        doubling("quote $x $x", "\"a\\\"\""),
        doubling("regexReplaceAll \"\" $x $x", "\"ab\""),
        "{{$x := dict}}{{range until 900000}}{{$y := dict \"a\" $x}}{{$x = $y}}{{end}}{{$x | toString | len}}".to_owned(),
        "{{$x := dict}}{{$y := $x}}{{range until 100000}}{{$z := dict}}{{$_ := set $y \"a\" $z}}{{$y = $z}}{{end}}{{deepEqual $x (deepCopy $x)}}".to_owned(),
        "{{$d := dict}}{{$_ := set $d \"a\" (list $d $d)}}{{$d}}".to_owned(),
        "{{$d := dict}}{{$_ := set $d \"a\" (list $d $d)}}{{deepCopy $d}}".to_owned(),
        "{{$d := dict}}{{$_ := set $d \"a\" $d}}{{$e := dict}}{{$_ := set $e \"a\" $e}}{{deepEqual $d $e}}".to_owned(),
        "{{$d := dict}}{{$_ := set $d \"a\" $d}}{{$e := dict}}{{$_ := set $e \"a\" $e}}{{merge $d $e}}".to_owned(),
        "{{printf \"%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d%1000000d\" 1 1 1 1 1 1 1 1 1 | len}}{{range 100}}{{printf \"%1000000d\" 1 | len}}{{end}}".to_owned(),
        "{{$l := until 30000}}{{uniq $l | len}}".to_owned(),
        "{{$l := until 100000}}{{range 1000}}{{$_ := has -1 $l}}{{end}}".to_owned(),
        "{{$s := repeat 1000000 \"a\"}}{{range 100000}}{{$_ := contains \"b\" $s}}{{end}}".to_owned(),
        "{{$s := repeat 100000 \"a\"}}{{contains (print $s \"b\") (repeat 20 $s)}}".to_owned(),
        "{{$s := repeat 100000 \"a\"}}{{regexMatch \"(a*)*b\" $s}}{{regexFindAll \"(a|aa)+?x|a\" $s -1 | len}}".to_owned(),
        "{{regexMatch \"((a{0,100}){0,10}){0,1}(b{0,100}){0,10}\" (repeat 1000000 \"a\")}}".to_owned(),
        "{{regexMatch \"(((a{100}){10}){10})\" \"a\"}}".to_owned(),
        "{{range $i := until 100000}}{{$_ := regexMatch (printf \"a%d\\\\pL{100}\" $i) \"a\"}}{{end}}".to_owned(),
        "{{range 100000}}{{$_ := semverCompare \">=1.0\" \"1.0.0\"}}{{end}}".to_owned(),
        "{{$s := repeat 1000000 \"[\"}}{{fromJson $s}}".to_owned(),
        "{{$s := repeat 500000 \"a,\"}}{{split \",\" $s | len}}{{splitList \",\" $s | len}}{{splitList \"\" $s | len}}".to_owned(),
        "{{$s := repeat 100000 \"aB1-\"}}{{range 1000}}{{$_ := snakecase $s}}{{$_ := camelcase $s}}{{$_ := title $s}}{{end}}".to_owned(),
        "{{$s := repeat 1000000 \"a\"}}{{range 100000}}{{$_ := sha256sum $s}}{{end}}".to_owned(),
        "{{$s := repeat 1000000 \"a\"}}{{range 100000}}{{$_ := eq $s $s}}{{$_ := len $s}}{{$_ := trim $s}}{{$_ := trunc 1 $s}}{{end}}".to_owned(),
        "{{$s := repeat 1000000 \" \"}}{{wrap 1 $s | len}}{{wrapWith 1 $s $s | len}}".to_owned(),
        "{{$s := repeat 500000 \"a \"}}{{wrapWith 3 \"xx\" $s | len}}{{range 10000}}{{$_ := initials $s}}{{$_ := nospace $s}}{{end}}".to_owned(),
        "{{$l := list}}{{range $i := until 100000}}{{$l = append $l $i}}{{end}}{{len $l}}".to_owned(),
        "{{$d := dict}}{{range $i := until 200000}}{{$_ := set $d (printf \"%d\" (sub 300000 $i)) $i}}{{end}}{{len $d}}".to_owned(),
        format!("{}{{{{range 100000}}}}{{{{$a = 1}}}}{{{{end}}}}", "{{$a := 1}}{{$b := 1}}".repeat(2500)),
        format!("{{{{range 100000}}}}{}{{{{end}}}}", "{{$b := 1}}".repeat(2500)),
        format!("{{{{$d := dict}}}}{{{{range $i := until 20000}}}}{{{{$_ := set $d (print $i) 1}}}}{{{{end}}}}{}", {
            nested("{{range $d}}{{range $i := until 1}}", 40)
        }),
        "{{$l := until 100000}}{{range 100000}}{{$_ := first $l}}{{$_ := len $l}}{{$_ := compact $l}}{{end}}".to_owned(),
        "{{range 100000}}{{html (repeat 10000 \"<\") | len}}{{end}}".to_owned(),
        "x".repeat(65_537),
        format!("{{{{range until 1000}}}}{}{{{{end}}}}", "x".repeat(60_000)),
    ]
}

#[test]
fn bombs_are_refused() {
    let data = data();
    for bomb in bombs() {
        let start = std::time::Instant::now();
        let result = render(&bomb, &data);
        let name: String = bomb.chars().take(120).collect();
        // Unoptimized and on a busy machine; a release build answers in a fraction of a second.
        assert!(start.elapsed().as_secs() < 20, "{name} took {:?}", start.elapsed());
        if std::env::var_os("TEMPLATE_TIMES").is_some() {
            let result = result.as_ref().map(String::len);
            println!("{:>8.1?} {result:?} {name}", start.elapsed());
        }
        if let Ok(output) = result {
            assert!(output.len() <= imgcompat::limits::TEMPLATE_OUTPUT_BYTES, "{name}");
        }
    }
}

/// Pieces that make templates that are almost right.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "{{end}}",
        "{{else}}",
        "{{if ",
        "{{range ",
        "{{with ",
        "{{define \"t\"}}",
        "{{template \"t\" .}}",
        "{{block \"b\" .}}",
        "{{break}}",
        "{{continue}}",
        "{{/* */}}",
        "(",
        ")",
        "|",
        " ",
        ".",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        ".cpu",
        ".Name",
        "nil",
        "true",
        "1",
        "-1",
        "1.5",
        "'a'",
        "\"a\"",
        "\"",
        "`",
        "\\",
        "0x",
        "9223372036854775807",
        "\"%v %d %*s %[2]q\"",
        "\"é\\xff\"",
        "\n",
        "a=b",
    ];
    let names: Vec<String> = function_list().map(|(name, _)| format!(" {name} ")).collect();
    prop_oneof![
        4 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        3 => proptest::sample::select(names),
        1 => any::<char>().prop_map(String::from),
    ]
}

/// An expression with the right parentheses, so that functions are reached with odd arguments.
fn expression() -> impl Strategy<Value = String> {
    let atoms = [
        "nil",
        "true",
        "0",
        "1",
        "-1",
        "3",
        "1.5",
        "9223372036854775807",
        "-9223372036854775808",
        "1e300",
        "\"\"",
        "\"a\"",
        "\"a,b\"",
        "\"1.2.3\"",
        "\"\\xff\\xe2\"",
        "\"日本\"",
        "\"[a-z]+(b)?\"",
        "\"%5.3v|%+q\"",
        ".",
        ".cpu.cpuid",
        "(dict \"a\" 1)",
        "(list 1 \"b\" nil)",
        "(until 4)",
        "(index \"a\" 0)",
        "(semver \"1.2.3-a\")",
    ];
    let names: Vec<&'static str> = function_list().map(|(name, _)| name).collect();
    let atom = proptest::sample::select(atoms.to_vec()).prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 4, move |inner| {
        let name = proptest::sample::select(names.clone());
        (name, proptest::collection::vec(inner, 0..4))
            .prop_map(|(name, arguments)| format!("({name} {})", arguments.join(" ")))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn arbitrary_text_never_panics(source in "\\PC{0,200}") {
        let _ = execute(&source, &data());
    }

    #[test]
    fn pieces_never_panic(pieces in proptest::collection::vec(piece(), 0..30)) {
        let _ = execute(&pieces.concat(), &data());
    }

    #[test]
    fn any_function_takes_any_arguments(expression in expression()) {
        let _ = render(&format!("{{{{{expression}}}}}"), &data());
        let _ = render(&format!("{{{{range {expression}}}}}{{{{print . | upper}}}}{{{{end}}}}"), &data());
    }

    #[test]
    fn damaged_templates_never_panic(index in 0usize..10_000, at in 0usize..10_000, with in piece(), cut in 0usize..5) {
        let cases = cases();
        let template = &cases[index % cases.len()].template;
        let mut chars: Vec<char> = template.chars().collect();
        let at = at % (chars.len() + 1);
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, with.chars());
        let _ = execute(&chars.into_iter().collect::<String>(), &data());
    }
}
