package realm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// Kept is a process that is not to be ended: the one of this number, as seen in the realm, that began at this time, in ticks since
// boot. Another that has got the number since is not meant.
type Kept struct {
	PID   int
	Start uint64
}

// ReapOthers ends what a daemon before this one has left running: every process of the realm but the keeper, the caller,
// those in keep and those that people have entered the realm with, with all that descend from these or are in a session or
// process group that they lead. It returns when all of them have ended, whatever they start meanwhile.
func ReapOthers(ctx context.Context, keep []Kept) (ended []int, err error) {
	if !kept() {
		return nil, errors.New("realm: end others: this is no keeper's realm")
	}
	for {
		all, err := processes()
		if err != nil {
			return ended, fmt.Errorf("realm: end others: %w", err)
		}
		others := strangers(all, append(still(all, keep), os.Getpid()))
		if len(others) == 0 {
			return ended, nil
		}
		done, err := end(ctx, others)
		ended = append(ended, done...)
		if err != nil {
			return ended, fmt.Errorf("realm: end others: %w", err)
		}
	}
}

// end kills processes, all before it waits for any.
func end(ctx context.Context, others []process) (ended []int, err error) {
	var handles []*os.File
	defer func() { closeAll(handles) }()
	for _, p := range others {
		handle, err := openProcess(p.pid)
		if err != nil {
			continue // it has ended; if not, the next look finds it
		}
		handles = append(handles, handle)
		if start, err := startTime(p.pid); err != nil || start != p.start {
			continue // another has its id now
		}
		if err := kill(handle); err != nil {
			return ended, fmt.Errorf("process %d: %w", p.pid, err)
		}
		ended = append(ended, p.pid)
	}
	for _, h := range handles {
		if err := waitEnd(ctx, h); err != nil {
			return ended, err
		}
	}
	return ended, ctx.Err()
}

// process is one of a pid namespace.
type process struct {
	pid, parent, group, session int
	start                       uint64
}

// processes lists those that have not ended.
func processes() (all []process, err error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := stat(pid); err == nil { // or it has just ended
			all = append(all, p)
		}
	}
	return all, nil
}

// still are the numbers that nobody else has got.
func still(all []process, keep []Kept) (pids []int) {
	for _, k := range keep {
		if !slices.ContainsFunc(all, func(p process) bool { return p.pid == k.PID && p.start != k.Start }) {
			pids = append(pids, k.PID) // its session may go on without it
		}
	}
	return pids
}

// strangers are the processes that have nothing to do with those to keep.
func strangers(all []process, keep []int) []process {
	spared := map[int]bool{1: true} // and of its children none
	for _, pid := range keep {
		spared[pid] = true
	}
	for _, p := range all {
		if p.parent == 0 { // its parent is outside: somebody has entered
			spared[p.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			related := slices.Contains(keep, p.session) || slices.Contains(keep, p.group) || p.parent != 1 && spared[p.parent]
			if related && !spared[p.pid] {
				spared[p.pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool { return spared[p.pid] })
}

// stat reads /proc/<pid>/stat of a process that has not ended.
func stat(pid int) (p process, err error) {
	const state, parent, group, session, start = 0, 1, 2, 3, 22 - 3 // fields counts from the third
	fields := fieldsOf(strconv.Itoa(pid))
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return p, fmt.Errorf("process %d has ended", pid)
	}
	p.pid = pid
	for field, to := range map[int]*int{parent: &p.parent, group: &p.group, session: &p.session} {
		if *to, err = strconv.Atoi(fields[field]); err != nil {
			return p, err
		}
	}
	p.start, err = strconv.ParseUint(fields[start], 10, 64)
	return p, err
}
