//! `.env.example` and `docs/settings.md` name every setting of the code.

use std::collections::BTreeMap;

use auth_gateway::config::{Settings, variable};
use clap::{Args, Command};

#[test]
fn the_example_names_every_setting_with_its_default() {
    let example: BTreeMap<String, String> =
        dotenvy::from_path_iter(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
    let command = Settings::augment_args(Command::new("test"));
    let code: BTreeMap<String, String> = command
        .get_arguments()
        .filter_map(|argument| {
            let default = argument
                .get_default_values()
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect();
            Some((variable(argument.get_long()?), default))
        })
        .collect();
    assert!(code.len() > 20);
    assert_eq!(example, code);
}

#[test]
fn the_settings_page_lists_every_setting() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md")).unwrap();
    let command = Settings::augment_args(Command::new("test"));
    for name in command
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .map(variable)
    {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "docs/settings.md has no row for {name}"
        );
    }
}
