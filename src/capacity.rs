//! How many members a server holds, and in which descriptors: ordinary ones up to the descriptor limit, direct ones in
//! tables beyond it. Pure; `main.rs` asks the kernel.

use crate::config::{BackEnd, Descriptors};
use crate::limits::{ACCEPTS_PER_TURN_MAX, DESCRIPTOR_RESERVE, FD_SETSIZE, TABLE_SLOTS_MAX, TABLES_MAX};

/// What is asked for, and what the process may have.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Members at a time; `None` for as many as descriptors allow.
    pub members: Option<usize>,
    pub descriptors: Descriptors,
    /// Slots of a table; `None` for as many as there can be.
    pub table_slots: Option<u16>,
    /// The back end that will be used, and whether it was asked for by name.
    pub back_end: BackEnd,
    pub is_back_end_asked_for: bool,
    /// The descriptor limit of this process.
    pub descriptor_limit: usize,
    /// Connections that are no members and have places beside theirs.
    pub beside: usize,
}

/// What a server will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub members_max: usize,
    /// `None` for ordinary descriptors.
    pub tables: Option<TableSizes>,
    /// Set when fewer members are served than were asked for: why.
    pub shortfall: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSizes {
    pub count: usize,
    pub slots: u16,
}

impl Demand {
    /// The most members in ordinary descriptors.
    pub fn ordinary_max(&self) -> usize {
        let descriptors = match self.back_end {
            BackEnd::Uring | BackEnd::Epoll => self.descriptor_limit,
            BackEnd::Select => self.descriptor_limit.min(FD_SETSIZE as usize),
        };
        descriptors.saturating_sub(DESCRIPTOR_RESERVE)
    }

    /// What the server will have, or why what was asked for by name cannot be had.
    pub fn capacity(&self) -> Result<Capacity, String> {
        let ordinary_max = self.ordinary_max();
        if ordinary_max == 0 {
            return Err("the descriptor limit leaves no place for members; raise it: ulimit -n 20000".into());
        }
        let members = self.members.unwrap_or(ordinary_max);
        let wants_tables = match self.descriptors {
            Descriptors::Auto => members > ordinary_max && self.back_end == BackEnd::Uring,
            Descriptors::Normal => false,
            Descriptors::Direct => true,
        };
        if !wants_tables {
            return self.in_ordinary_descriptors(members);
        }
        if self.back_end != BackEnd::Uring {
            return Err("--descriptors direct needs io_uring: epoll and select know no direct descriptors".into());
        }
        let slots_max = self.descriptor_limit.min(TABLE_SLOTS_MAX.into()) as u16;
        let slots = self.table_slots.unwrap_or(slots_max).clamp(2, slots_max.max(2));
        // Beside the rings' own, a turn may have descriptors of newcomers that are refused.
        let spare = self.descriptor_limit.saturating_sub(DESCRIPTOR_RESERVE + ACCEPTS_PER_TURN_MAX);
        let tables = TableSizes { count: (members + self.beside).div_ceil(slots.into()), slots };
        tables.holding_at_most(spare.min(TABLES_MAX), members, self.descriptors, || {
            format!("the descriptor limit of {} allows no more tables", self.descriptor_limit)
        })
    }

    /// The capacity without tables, because the kernel refused them for `reason`.
    pub fn without_tables(&self, reason: &str) -> Result<Capacity, String> {
        if self.descriptors == Descriptors::Direct {
            return Err(format!("direct descriptors cannot be used here: {reason}"));
        }
        let members_max = self.ordinary_max();
        let shortfall = Some(format!(
            "up to {members_max} members instead of {}: direct descriptors cannot be used here: {reason}",
            self.members.unwrap_or(members_max)
        ));
        Ok(Capacity { members_max, tables: None, shortfall })
    }

    fn in_ordinary_descriptors(&self, members: usize) -> Result<Capacity, String> {
        let most = self.ordinary_max();
        if members <= most {
            return Ok(Capacity { members_max: members, tables: None, shortfall: None });
        }
        let reason = match self.back_end {
            BackEnd::Select => format!("select holds {most}"),
            BackEnd::Epoll => format!("epoll holds {most} at the descriptor limit of {}", self.descriptor_limit),
            BackEnd::Uring => {
                format!("ordinary descriptors hold {most} at the descriptor limit of {}", self.descriptor_limit)
            }
        };
        if self.is_back_end_asked_for || self.descriptors == Descriptors::Normal {
            return Err(format!("--members {members}: {reason}"));
        }
        Ok(Capacity {
            members_max: most,
            tables: None,
            shortfall: Some(format!("up to {most} members instead of {members}: {reason}")),
        })
    }
}

impl TableSizes {
    /// The capacity when there can be `count_max` tables, for a reason that is asked for when that is too few.
    pub fn holding_at_most(
        self,
        count_max: usize,
        members: usize,
        descriptors: Descriptors,
        reason: impl FnOnce() -> String,
    ) -> Result<Capacity, String> {
        let count = self.count.min(count_max);
        let tables = Self { count, ..self };
        let members_max = members.min(count * usize::from(self.slots));
        if members_max == members {
            return Ok(Capacity { members_max, tables: Some(tables), shortfall: None });
        }
        let shortfall = format!("{members_max} in {count} tables: {}", reason());
        if descriptors == Descriptors::Direct || count == 0 {
            return Err(format!("--members {members}: there is room for {shortfall}"));
        }
        let shortfall = Some(format!("up to {members_max} members instead of {members}: room for {shortfall}"));
        Ok(Capacity { members_max, tables: Some(tables), shortfall })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        members: None,
        descriptors: Descriptors::Auto,
        table_slots: None,
        back_end: BackEnd::Uring,
        is_back_end_asked_for: false,
        descriptor_limit: 20_000,
        beside: 0,
    };

    fn held(members_max: usize, tables: Option<(usize, u16)>) -> Result<Capacity, String> {
        let tables = tables.map(|(count, slots)| TableSizes { count, slots });
        Ok(Capacity { members_max, tables, shortfall: None })
    }

    #[test]
    fn up_to_the_descriptor_limit_descriptors_are_ordinary() {
        assert_eq!(DEMAND.capacity(), held(19_968, None));
        for members in [1, 100, 19_968] {
            assert_eq!(Demand { members: Some(members), ..DEMAND }.capacity(), held(members, None));
        }
        assert_eq!(Demand { back_end: BackEnd::Select, ..DEMAND }.capacity(), held(992, None));
        assert!(Demand { descriptor_limit: DESCRIPTOR_RESERVE, ..DEMAND }.capacity().is_err());
    }

    #[test]
    fn beyond_it_there_are_as_many_tables_as_it_takes() {
        let million = Demand { members: Some(1_000_000), ..DEMAND };
        assert_eq!(million.capacity(), held(1_000_000, Some((50, 20_000))));
        assert_eq!(Demand { members: Some(19_969), ..DEMAND }.capacity(), held(19_969, Some((1, 20_000))));
        assert_eq!(Demand { descriptor_limit: 1 << 20, ..million }.capacity(), held(1_000_000, None));
        let direct = Demand { descriptors: Descriptors::Direct, ..DEMAND };
        assert_eq!(direct.capacity(), held(19_968, Some((1, 20_000))));
        let small = Demand { members: Some(10), table_slots: Some(4), ..direct };
        assert_eq!(small.capacity(), held(10, Some((3, 4))));
        assert_eq!(Demand { beside: 8, ..million }.capacity(), held(1_000_000, Some((51, 20_000))));
        let wide = Demand { members: Some(2_000_000), descriptor_limit: 1 << 20, ..direct };
        assert_eq!(wide.capacity(), held(2_000_000, Some((62, 32_768))));
    }

    #[test]
    fn where_a_back_end_holds_less_auto_serves_less_and_a_choice_is_refused() {
        let million = Demand { members: Some(1_000_000), back_end: BackEnd::Epoll, ..DEMAND };
        let less = million.capacity().unwrap();
        assert_eq!((less.members_max, less.tables), (19_968, None));
        let shortfall = less.shortfall.unwrap();
        assert!(shortfall.starts_with("up to 19968 members instead of 1000000: epoll holds 19968"), "{shortfall}");
        let refused = |demand: Demand| demand.capacity().unwrap_err();
        let asked_for = Demand { is_back_end_asked_for: true, ..million };
        assert!(refused(asked_for).contains("--members 1000000: epoll holds 19968 at the descriptor limit of 20000"));
        let select = Demand { back_end: BackEnd::Select, members: Some(993), ..asked_for };
        assert!(refused(select).contains("select holds 992"));
        let normal = Demand { descriptors: Descriptors::Normal, back_end: BackEnd::Uring, ..million };
        assert!(refused(normal).contains("ordinary descriptors hold 19968"));
        assert!(refused(Demand { descriptors: Descriptors::Direct, ..million }).contains("needs io_uring"));
    }

    #[test]
    fn where_there_are_too_few_tables_auto_serves_less_and_a_choice_is_refused() {
        let auto = Demand { members: Some(5_000_000), descriptor_limit: 1024, ..DEMAND };
        let less = auto.capacity().unwrap();
        let count = 1024 - DESCRIPTOR_RESERVE - ACCEPTS_PER_TURN_MAX;
        assert_eq!(less.tables, Some(TableSizes { count, slots: 1024 }));
        assert_eq!(less.members_max, count * 1024);
        assert!(less.shortfall.unwrap().contains("the descriptor limit of 1024 allows no more tables"));
        let direct = Demand { descriptors: Descriptors::Direct, ..auto };
        assert!(direct.capacity().unwrap_err().starts_with("--members 5000000: there is room for "));
        assert!(direct.without_tables("too old").unwrap_err().contains("cannot be used here: too old"));
        let without = auto.without_tables("too old").unwrap();
        assert_eq!((without.members_max, without.tables), (992, None));
        assert!(without.shortfall.unwrap().contains("too old"));
    }
}
