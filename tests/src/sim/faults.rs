//! What goes wrong: managers, links, daemons, machines, clocks and containers.

use super::{
    containers::Container,
    happening::Happening,
    network::{Cut, HostNo, MemberNo, Point},
    world::World,
};
use proto::model::TaskId;
use std::time::Duration;

impl World {
    /// Something goes wrong, and something else will before long.
    pub(super) fn fault(&mut self) {
        if self.quiet {
            return;
        }
        let pause = self.rng.millis(300, 9_000);
        self.after(pause, Happening::Fault);
        match self.rng.between(0, 99) {
            0..=9 => self.change_leader(),
            10..=17 => self.lose_a_manager(),
            18..=20 => self.lose_quorum(),
            21..=30 => self.cut_off_a_manager(),
            31..=44 => self.cut_off_a_node(),
            45..=52 => self.break_connections(),
            53..=64 => self.stop_a_daemon(),
            65..=72 => self.crash_a_daemon_soon(),
            73..=78 => self.switch_a_machine_off(),
            79..=80 => {
                // They stood beside each other.
                self.lose_a_manager();
                self.switch_a_machine_off();
            }
            81..=83 => self.step_a_clock(),
            84..=87 => self.slow_down(),
            _ => self.fail_a_container(),
        }
    }

    fn any_host(&mut self) -> HostNo {
        self.rng.place(self.hosts.len())
    }

    fn any_member(&mut self) -> MemberNo {
        self.rng.place(self.group.members.len())
    }

    /// Another manager wins an election though the leader is well.
    pub(super) fn change_leader(&mut self) {
        let old = self.newest_leader();
        self.elect_other_than(old);
    }

    fn lose_a_manager(&mut self) {
        let member = match self.newest_leader().filter(|_| self.rng.chance(60)) {
            Some(leader) => leader,
            None => self.any_member(),
        };
        self.lose_manager_for(member, (500, 15_000));
    }

    fn lose_manager_for(&mut self, member: MemberNo, millis: (u64, u64)) {
        self.stop_member(member);
        let down = self.rng.millis(millis.0, millis.1);
        self.after(down, Happening::MemberStarts { member });
    }

    /// All managers but one are lost for a while: the leader stays it, and can't change anything.
    pub(super) fn lose_quorum(&mut self) {
        let kept = self.newest_leader().unwrap_or(0);
        for member in (0..self.group.members.len()).filter(|&member| member != kept) {
            self.lose_manager_for(member, (3_000, 20_000));
        }
    }

    /// A manager is cut off from the other managers, and from the nodes as well or not.
    fn cut_off_a_manager(&mut self) {
        let member = match self.newest_leader().filter(|_| self.rng.chance(70)) {
            Some(leader) => leader,
            None => self.any_member(),
        };
        let mut other: Vec<Point> =
            (0..self.group.members.len()).filter(|&it| it != member).map(Point::Member).collect();
        if self.rng.chance(50) {
            other.extend((0..self.hosts.len()).map(Point::Host));
        }
        self.cut_for_a_while(Cut { one: vec![Point::Member(member)], other });
    }

    /// Nodes are cut off from all managers, or from one.
    fn cut_off_a_node(&mut self) {
        let mut one = vec![Point::Host(self.any_host())];
        if self.rng.chance(30) {
            one.push(Point::Host(self.any_host()));
        }
        let other = match self.rng.chance(60) {
            true => (0..self.group.members.len()).map(Point::Member).collect(),
            false => vec![Point::Member(self.any_member())],
        };
        self.cut_for_a_while(Cut { one, other });
    }

    fn cut_for_a_while(&mut self, cut: Cut) {
        let lasts =
            if self.rng.chance(50) { self.rng.millis(200, 3_000) } else { self.rng.millis(3_000, 25_000) };
        self.cut(cut, lasts);
    }

    /// Parts machines for some time.
    pub(super) fn cut(&mut self, cut: Cut, lasts: Duration) {
        self.note(format_args!("{:?} and {:?} are parted for {lasts:?}", cut.one, cut.other));
        let number = self.network.cut(cut);
        self.network_changed();
        self.after(lasts, Happening::Heal { cut: number });
    }

    /// Ends a partition.
    pub(super) fn heal(&mut self, number: u64) {
        self.network.heal(number);
        self.network_changed();
    }

    fn break_connections(&mut self) {
        let (host, all) = (self.any_host(), self.rng.chance(20));
        self.note_of(
            host,
            format_args!("loses its connections, {}", if all { "and so do all" } else { "alone" }),
        );
        for connection in self.network.find(|it| all || it.host == host) {
            self.reset(connection);
        }
    }

    fn stop_a_daemon(&mut self) {
        let host = self.any_host();
        if self.hosts[host].daemon.is_none() {
            return;
        }
        if self.rng.chance(30) {
            self.say_goodbye(host);
        }
        self.kill_daemon(host);
        let down =
            if self.rng.chance(60) { self.rng.millis(100, 2_000) } else { self.rng.millis(2_000, 20_000) };
        self.after(down, Happening::DaemonStarts { host });
    }

    /// A daemon will be killed between two things that it does.
    fn crash_a_daemon_soon(&mut self) {
        let (host, after) = (self.any_host(), self.rng.between(0, 6));
        if let Some(daemon) = self.hosts[host].daemon.as_mut() {
            daemon.crash_after = Some(after);
        }
    }

    fn switch_a_machine_off(&mut self) {
        let host = self.any_host();
        self.cut_power(host);
        if self.rng.chance(25) {
            self.hosts[host].for_good = true;
        } else {
            let off = self.rng.millis(1_000, 40_000);
            self.after(off, Happening::PowerOn { host });
        }
    }

    fn step_a_clock(&mut self) {
        let (host, offset) = (self.any_host(), self.any_clock_offset_ms());
        self.note_of(host, format_args!("has its clock off by {offset} ms"));
        self.hosts[host].clock_offset_ms = offset;
    }

    fn slow_down(&mut self) {
        self.note(format_args!("messages and disks are slow"));
        self.network.slow = true;
        let lasts = self.rng.millis(500, 6_000);
        self.after(lasts, Happening::Calm);
    }

    fn fail_a_container(&mut self) {
        let is_running = |(_, container): &(&TaskId, &Container)| **container == Container::Running;
        let on_host = |(number, host): (HostNo, &super::hosts::Host)| {
            let running: Vec<TaskId> = host.containers.iter().filter(is_running).map(|(id, _)| *id).collect();
            running.into_iter().map(move |task| (number, task))
        };
        let running: Vec<(HostNo, TaskId)> = self.hosts.iter().enumerate().flat_map(on_host).collect();
        if let Some((host, task)) = self.rng.pick(&running) {
            self.fail_container(host, task);
        }
    }

    /// Mends everything, but for the machines that are to stay off.
    pub(super) fn mend(&mut self) {
        self.misfortune = false;
        self.network.heal_all();
        self.network_changed();
        for member in 0..self.group.members.len() {
            self.start_member(member);
        }
        for host in 0..self.hosts.len() {
            // Half of those that were to stay off come back late.
            if !self.hosts[host].for_good || self.rng.chance(50) {
                self.power_on(host);
            }
            self.start_daemon(host);
            if let Some(daemon) = self.hosts[host].daemon.as_mut() {
                daemon.crash_after = None;
            }
        }
    }
}
