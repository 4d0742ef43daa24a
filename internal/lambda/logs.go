package lambda

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"time"

	"enilab/internal/spelling"
	"enilab/sandbox"
)

// LogLine is one line that an environment printed, or that the lab says of its invocations.
type LogLine struct {
	Time        time.Time
	Environment string
	Text        string // without the line's end
}

const (
	maxLog     = 256 << 10 // bytes of a function's log
	maxLogLine = 4 << 10   // bytes; a longer line becomes several
	lineCost   = 64        // bytes that a line takes besides its text
)

// functionLog is the end of what a function's environments printed. It never waits for a reader.
type functionLog struct {
	mu      sync.Mutex // guards all below
	lines   []LogLine  // the oldest first; what is before head is gone
	head    int
	first   int // the number of lines[head], counted from the beginning
	size    int
	waiting chan struct{} // closed with the next line; nil while nobody waits
	readers int           // who follow
	closed  bool
}

func newFunctionLog() *functionLog { return new(functionLog) }

func (l *functionLog) add(at time.Time, environment string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, LogLine{at, environment, string(text)})
	l.size += len(text) + lineCost
	for l.size > maxLog {
		l.size -= len(l.lines[l.head].Text) + lineCost
		l.lines[l.head] = LogLine{}
		l.head++
		l.first++
	}
	if l.head > len(l.lines)/2 { // as many are gone as are there: each line is moved once on average
		l.lines = append(l.lines[:0], l.lines[l.head:]...)
		l.head = 0
	}
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// followed tells whether somebody waits for what comes.
func (l *functionLog) followed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readers > 0
}

func (l *functionLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
}

// after copies the lines from number n on, and says how many of them are gone. Without any it returns a channel that is
// closed when there are more, or nil if there never will be.
func (l *functionLog) after(n int) (lines []LogLine, lost int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n < l.first {
		lost, n = l.first-n, l.first
	}
	lines = append(lines, l.lines[l.head+n-l.first:]...)
	switch {
	case len(lines) > 0, l.closed:
		return lines, lost, nil
	case l.waiting == nil:
		l.waiting = make(chan struct{})
	}
	return nil, lost, l.waiting
}

func (l *functionLog) follow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers += n
}

// Logs is what a function's environments printed, with the lines that the lab adds: the end of what there is and, if
// follow, what comes, until ctx or the function ends. A reader that is too slow loses lines, and is told how many.
func (s *Service) Logs(ctx context.Context, name string, follow bool) (iter.Seq[LogLine], error) {
	f, err := s.lookup(name)
	if err != nil {
		return nil, err
	}
	log := f.log
	return func(yield func(LogLine) bool) {
		if follow {
			log.follow(1)
			defer log.follow(-1)
		}
		next := 0
		for began := true; ; began = false {
			lines, lost, more := log.after(next)
			next += lost + len(lines)
			if lost > 0 && !began && !yield(LogLine{Time: time.Now(), Text: "[enilab: " + spelling.Counted(lost, "line") + " left out]"}) {
				return
			}
			for _, line := range lines {
				if !yield(line) {
					return
				}
			}
			switch {
			case !follow, len(lines) == 0 && more == nil:
				return
			case len(lines) > 0:
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}, nil
}

// environmentLog is where an environment's output goes: the tail of the event in hand, and the function's log, line by
// line.
type environmentLog struct {
	sandbox.LogTail
	to          *functionLog
	environment string

	mu   sync.Mutex // guards line
	line []byte     // that is unfinished
}

// Write takes all of p and never waits for a reader.
func (l *environmentLog) Write(p []byte) (int, error) {
	n, err := l.LogTail.Write(p)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end >= 0 && end <= maxLogLine && len(l.line) == 0 { // the usual case: nothing is copied twice
			l.to.add(now, l.environment, p[:end])
			p = p[end+1:]
			continue
		}
		part := p
		if end >= 0 {
			part = p[:end]
		}
		part = part[:min(len(part), maxLogLine-len(l.line))]
		l.line = append(l.line, part...)
		p = p[len(part):]
		ended := len(p) > 0 && p[0] == '\n'
		if ended {
			p = p[1:]
		}
		if ended || len(l.line) == maxLogLine {
			l.to.add(now, l.environment, l.line)
			l.line = l.line[:0]
		}
	}
	return n, err
}

// flush ends an unfinished line.
func (l *environmentLog) flush() {
	l.mu.Lock()
	unfinished := len(l.line) > 0
	l.mu.Unlock()
	if unfinished {
		_, _ = l.Write([]byte{'\n'}) // it takes everything
	}
}
