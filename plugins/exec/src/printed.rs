//! What a program prints: lines for the log, and the last of them for an error.

use std::collections::VecDeque;

/// Lines that go to the log; a program that prints more is heard to its end, and only its last lines are
/// told.
const LOGGED: usize = 200;
/// Lines kept for an error.
const TAIL: usize = 10;
/// Bytes of a line that are kept.
const LINE: usize = 400;
/// Characters of all lines in an error, which has room for about 2000.
const ROOM: usize = 1400;

/// Lines as they come.
pub struct Printed<'a> {
    log: &'a dyn Fn(&str),
    line: Vec<u8>,
    count: usize,
    tail: VecDeque<String>,
}

impl<'a> Printed<'a> {
    /// Nothing yet; `log` hears the lines.
    pub fn new(log: &'a dyn Fn(&str)) -> Self {
        Self { log, line: Vec::new(), count: 0, tail: VecDeque::new() }
    }

    /// Takes bytes. A carriage return ends a line too: progress bars use it.
    pub fn hear(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                self.end_line();
            } else if self.line.len() < LINE {
                self.line.push(byte);
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim_end().to_owned();
        if line.is_empty() {
            return;
        }
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.count < LOGGED {
            (self.log)(&line);
        }
        self.count += 1;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }

    /// Ends the last line, and tells what the log has not heard.
    pub fn finish(&mut self) {
        self.end_line();
        let unheard = self.count.saturating_sub(LOGGED);
        if unheard > 0 {
            let last = unheard.min(self.tail.len());
            (self.log)(&format!("(lines left out: {}; the last are)", unheard - last));
            self.tail.iter().skip(self.tail.len() - last).for_each(|line| (self.log)(line));
        }
    }

    /// The last lines, for an error; empty when nothing was printed.
    pub fn tail(&self) -> String {
        let mut room = ROOM;
        let fits = |line: &&String| {
            let fits = line.len() + 5 <= room;
            room = room.saturating_sub(line.len() + 5);
            fits
        };
        let lines: Vec<&String> = self.tail.iter().rev().take_while(fits).collect();
        lines.iter().rev().map(|line| format!("\n  | {line}")).collect()
    }

    /// The lines that were kept, joined.
    pub fn text(&self) -> String {
        self.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn heard(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let log = RefCell::new(Vec::new());
        let tell = |line: &str| log.borrow_mut().push(line.to_owned());
        let mut printed = Printed::new(&tell);
        chunks.iter().for_each(|c| printed.hear(c));
        printed.finish();
        let tail = printed.tail();
        (log.take(), tail)
    }

    #[test]
    fn lines_may_come_in_pieces_and_with_anything_in_them() {
        let (log, tail) = heard(&[b"a", b"b\n\n 10%\r 20%\rc\x1b[0m\xff\r\nend"]);
        assert_eq!(log, ["ab", " 10%", " 20%", "c [0m\u{fffd}", "end"]);
        assert_eq!(tail, "\n  | ab\n  |  10%\n  |  20%\n  | c [0m\u{fffd}\n  | end");
    }

    #[test]
    fn a_flood_is_cut() {
        let text: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let (log, tail) = heard(&[text.as_bytes()]);
        assert_eq!(log.len(), LOGGED + 1 + TAIL);
        assert_eq!((log[199].as_str(), log[200].as_str()), ("199", "(lines left out: 790; the last are)"));
        assert!(tail.starts_with("\n  | 990\n") && tail.ends_with("| 999"), "{tail}");
        let (log, tail) = heard(&[&[b'x'; 10_000], b"\n", &[b'y'; 10_000]]);
        assert_eq!(log.iter().map(String::len).collect::<Vec<_>>(), [LINE, LINE]);
        assert!(tail.len() < ROOM);
        let lines = [[b'z'; 399].as_slice(), b"\n"].concat().repeat(10);
        assert_eq!(heard(&[&lines]).1.lines().count(), 1 + 3, "what an error has room for");
    }
}
