package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// rate is how fast, in bytes a second, a client must send a body and take an answer once its grace is over.
const rate = 128 << 10

// Why a body is not read to its end, besides the client's going.
var (
	errTooLarge = errors.New("the body is too large")
	errTooSlow  = errors.New("the body comes too slowly")
	errNoMemory = errors.New("too many large requests at once")
)

// firstBytes is what a body gets to begin with; more only as it comes. A client that announces much and sends nothing
// costs little.
const firstBytes = 64 << 10

// readBody reads a body of at most limit bytes, and says how many bytes it took from the budget for the client. It does not
// begin to read one that announces more than limit.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, client string, limit int64) (body []byte, taken int64, err error) {
	if r.ContentLength > limit {
		return nil, 0, errTooLarge
	}
	if r.ContentLength == 0 {
		return nil, 0, nil
	}
	expected := limit // of a body in chunks
	if r.ContentLength > 0 {
		expected = r.ContentLength
	}
	u := &upload{control: http.NewResponseController(w), start: time.Now(), grace: s.config.Grace}
	// Without a deadline the connection can wait for the next request, and for the client's going.
	defer u.control.SetReadDeadline(time.Time{}) //nolint:errcheck // a writer of tests has none
	defer s.memory.begin(u)()

	for {
		if int64(len(body)) == int64(cap(body)) {
			more := min(max(firstBytes, 3*int64(cap(body))), expected-int64(cap(body)))
			if more == 0 {
				return s.atEnd(r, body, taken)
			}
			if !s.memory.take(client, more) {
				return nil, taken, errNoMemory
			}
			taken += more
			grown := make([]byte, len(body), int64(cap(body))+more)
			copy(grown, body)
			body = grown
		}
		if !u.await(len(body)) {
			return nil, taken, errTooSlow
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case errors.Is(err, io.EOF):
			return body, taken, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, taken, errTooSlow
		case err != nil:
			return nil, taken, err
		}
	}
}

// atEnd finds out whether a body that has come in full expected length ends there. One in chunks tells only so.
func (s *Server) atEnd(r *http.Request, body []byte, taken int64) ([]byte, int64, error) {
	var one [1]byte
	switch n, err := r.Body.Read(one[:]); {
	case n > 0:
		return nil, taken, errTooLarge
	case errors.Is(err, io.EOF):
		return body, taken, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, taken, errTooSlow
	default:
		return nil, taken, err
	}
}
