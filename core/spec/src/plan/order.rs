//! The order of the stages, and cycles.

use super::Resolver;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

/// Of a longer cycle only the ends are named.
const LONGEST_SHOWN: usize = 12;

impl Resolver<'_> {
    /// An order in which every stage comes after those it needs, else None and an error for each cycle.
    pub(super) fn order(&mut self) -> Option<Vec<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        let nodes: Vec<NodeIndex> = self.stages.iter().map(|_| graph.add_node(())).collect();
        for (n, draft) in self.stages.iter().enumerate() {
            for &(source, _) in &draft.after {
                graph.update_edge(nodes[source], nodes[n], ());
            }
        }
        let mut has_cycle = false;
        for group in kosaraju_scc(&graph) {
            let members: BTreeSet<usize> = group.iter().map(|n| n.index()).collect();
            let Some(&first) = members.first() else { continue };
            if members.len() > 1 || graph.contains_edge(nodes[first], nodes[first]) {
                has_cycle = true;
                self.cycle(first, &members);
            }
        }
        if has_cycle {
            return None;
        }
        // Of the stages that are ready, the first in the file comes next.
        let mut missing: Vec<usize> =
            nodes.iter().map(|&n| graph.neighbors_directed(n, petgraph::Incoming).count()).collect();
        let mut ready: BinaryHeap<Reverse<usize>> =
            (0..nodes.len()).filter(|&n| missing[n] == 0).map(Reverse).collect();
        let mut order = Vec::new();
        while let Some(Reverse(n)) = ready.pop() {
            order.push(n);
            for next in graph.neighbors(nodes[n]) {
                missing[next.index()] -= 1;
                if missing[next.index()] == 0 {
                    ready.push(Reverse(next.index()));
                }
            }
        }
        Some(order)
    }

    /// Names a shortest cycle through `first`, of stages that all lie on cycles with it.
    fn cycle(&mut self, first: usize, members: &BTreeSet<usize>) {
        // Walk against the data, from a stage to what it needs, until `first` is needed again.
        let mut needed_by: BTreeMap<usize, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([first]);
        'search: while let Some(n) = queue.pop_front() {
            for &(source, _) in &self.stages[n].after {
                if members.contains(&source) && !needed_by.contains_key(&source) {
                    needed_by.insert(source, n);
                    if source == first {
                        break 'search;
                    }
                    queue.push_back(source);
                }
            }
        }
        let name = |n: usize| self.stages[n].name.clone();
        let mut path = vec![name(first)];
        let mut at = first;
        while let Some(&next) = needed_by.get(&at) {
            path.push(name(next));
            at = next;
            if at == first {
                break;
            }
        }
        let place = self.stages[first].after.iter().find(|(source, _)| members.contains(source));
        let place = place.map_or(self.stages[first].at, |(_, at)| *at);
        if path.len() > LONGEST_SHOWN {
            path.splice(LONGEST_SHOWN / 2..path.len() - LONGEST_SHOWN / 2, ["…".to_owned()]);
        }
        self.found.error(place, || {
            let path = path.join(" -> ");
            (
                format!("the stages wait for each other in a cycle: `{path}`"),
                "remove one of these connections",
            )
        });
    }
}
