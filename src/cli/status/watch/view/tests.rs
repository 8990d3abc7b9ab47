use super::*;
use crate::status::document::json;
use crate::status::{Snapshot, fixture};

fn status(snapshot: &Snapshot) -> StatusResponse {
    serde_json::from_slice(&json(snapshot, &Filter::default()).unwrap()).unwrap()
}

fn view() -> View {
    let status = status(&fixture::director());
    View::new(Filter::default(), status, false, fixture::start())
}

fn press(view: &mut View, codes: &[KeyCode]) -> Step {
    let mut step = Step::Stay;
    for code in codes {
        step = view.key(KeyEvent::from(*code), fixture::start());
    }
    step
}

fn enter(view: &mut View, keys: &str) -> Step {
    let codes: Vec<_> = keys.chars().map(KeyCode::Char).collect();
    press(view, &codes)
}

/// The subjects of the rows; the selected one in brackets.
fn rows_of(view: &View) -> String {
    let rows = view.rows.iter().enumerate().map(|(index, row)| {
        let service = &row.subject.service;
        let name = match &row.subject.real_server {
            Some(real_server) => format!("{service}/{real_server}"),
            None => service.clone(),
        };
        if index == view.selected {
            format!("[{name}]")
        } else {
            name
        }
    });
    rows.collect::<Vec<_>>().join(" ")
}

#[test]
fn q_escape_and_control_c_leave() {
    assert_eq!(enter(&mut view(), "q"), Step::Leave);
    assert_eq!(press(&mut view(), &[KeyCode::Esc]), Step::Leave);
    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    let mut typing = view();
    enter(&mut typing, "/q");
    assert_eq!(typing.key(control('c'), fixture::start()), Step::Leave);
    assert_eq!(view().key(control('q'), fixture::start()), Step::Stay);
    let mut released = KeyEvent::from(KeyCode::Char('q'));
    released.kind = KeyEventKind::Release;
    assert_eq!(view().key(released, fixture::start()), Step::Stay);
}

#[test]
fn arrows_and_pages_move_within_the_rows() {
    let mut view = view();
    let all = "web web/rs1 web/rs2 marked marked/rs6 marked/sorry_server";
    assert_eq!(rows_of(&view), all.replacen("web", "[web]", 1));
    press(&mut view, &[KeyCode::Up]);
    assert_eq!(view.selected, 0);
    press(&mut view, &[KeyCode::Down, KeyCode::Char('j'), KeyCode::Up]);
    assert_eq!(view.selected, 1);
    view.scroll(4);
    press(&mut view, &[KeyCode::PageDown]);
    assert_eq!(view.selected, 5);
    press(&mut view, &[KeyCode::PageDown, KeyCode::Down]);
    assert_eq!(view.selected, 5, "the last one");
    press(&mut view, &[KeyCode::PageUp]);
    assert_eq!(view.selected, 1);
    press(&mut view, &[KeyCode::End]);
    assert_eq!(view.selected, 5);
    press(&mut view, &[KeyCode::Home]);
    assert_eq!(view.selected, 0);
}

#[test]
fn selected_row_is_on_the_screen() {
    let mut view = view();
    for (code, first) in [
        (KeyCode::Down, 0),
        (KeyCode::End, 3),
        (KeyCode::Up, 3),
        (KeyCode::Home, 0),
    ] {
        press(&mut view, &[code]);
        view.scroll(3);
        assert_eq!(view.first, first, "{code:?}");
    }
    press(&mut view, &[KeyCode::End]);
    view.scroll(3);
    view.scroll(100);
    assert_eq!(view.first, 0, "a larger screen");
}

#[test]
fn filter_finds_names_addresses_healths_and_details() {
    for (search, rows) in [
        ("rs2", "[web] web/rs2"),
        ("RS2", "[web] web/rs2"),
        ("refused", "[web] web/rs2"),
        ("down", "[web] web/rs2"),
        ("2001:db8::21", "[marked] marked/rs6"),
        ("web/", "[web] web/rs1 web/rs2"),
        ("192.168.11.200", "[web] web/rs1 web/rs2"),
        ("nothing", ""),
    ] {
        let mut view = view();
        enter(&mut view, &format!("/{search}"));
        assert_eq!(rows_of(&view), rows, "{search}");
    }
    let mut view = view();
    enter(&mut view, "/rs2");
    press(&mut view, &[KeyCode::Enter]);
    assert_eq!(enter(&mut view, "s"), Step::Stay, "a key again, no letter");
    assert_eq!(
        (view.search.as_str(), rows_of(&view).as_str()),
        ("rs2", "[web/rs2]")
    );
    enter(&mut view, "/");
    press(&mut view, &[KeyCode::Backspace]);
    assert_eq!(view.search, "rs");
    assert_eq!(press(&mut view, &[KeyCode::Esc]), Step::Stay);
    assert_eq!((view.search.as_str(), view.is_typing), ("", false));
}

#[test]
fn sorting_keeps_the_selection_and_comes_round() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[0]
        .live
        .lock()
        .connections
        .active = 5;
    snapshot.services[1].real_servers[0]
        .live
        .lock()
        .connections
        .active = 7;
    let mut view = View::new(
        Filter::default(),
        status(&snapshot),
        false,
        fixture::start(),
    );
    press(&mut view, &[KeyCode::Down, KeyCode::Down]);
    let configured = rows_of(&view);
    for rows in [
        "[web/rs2] marked/rs6 marked/sorry_server web/rs1",
        "[web/rs2] web/rs1 marked/rs6 marked/sorry_server",
        "marked/rs6 web/rs1 [web/rs2] marked/sorry_server",
        &configured,
    ] {
        enter(&mut view, "s");
        assert_eq!(rows_of(&view), rows, "{}", view.sort.as_str());
    }
}

#[test]
fn p_asks_the_agent_for_problems_only_and_for_everything_again() {
    let mut view = view();
    enter(&mut view, "p");
    assert_eq!(view.filter().query(), "problems");
    enter(&mut view, "p");
    assert_eq!(view.filter().query(), "");
}

#[test]
fn lost_agent_leaves_the_last_status_until_it_answers_again() {
    let mut view = view();
    enter(&mut view, "G");
    view.answer(Err("nobody listens".to_owned()), fixture::start());
    assert_eq!(view.lost.as_deref(), Some("nobody listens"));
    assert_eq!(view.rows.len(), 6);
    let mut less = status(&fixture::director());
    less.virtual_services.as_mut().unwrap().truncate(1);
    view.answer(Ok(less), fixture::start());
    assert_eq!(view.lost, None);
    assert_eq!(
        rows_of(&view),
        "web web/rs1 [web/rs2]",
        "what was selected is gone"
    );
}

#[test]
fn rows_of_a_real_server_are_its_services() {
    let status = status(&fixture::real_server());
    let mut view = View::new(Filter::default(), status, false, fixture::start());
    assert_eq!(rows_of(&view), "[web]");
    assert!(matches!(view.selection(), Some(Selection::Served(_))));
    enter(&mut view, "/ARP_ignore");
    assert_eq!(rows_of(&view), "[web]");
}
