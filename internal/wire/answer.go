package wire

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// refuse answers with an error. Of one that is the server's own (without a code, or with status 500) clients learn no more than
// that: what went wrong, such as with a file of the host's, is for the log.
func (x *exchange) refuse(err error) {
	var e APIError
	internal := !errors.As(err, &e) || e.Status() == http.StatusInternalServerError
	gone := x.r.Context().Err() != nil // the client has, and that is the error
	if (internal || e.Status() > http.StatusInternalServerError) && !gone {
		x.config.Log.Error("a request failed", "service", x.request.Service, "operation", x.request.Operation,
			"request", x.request.ID, "err", err)
	}
	if internal {
		failed := x.internal()
		if e != nil {
			failed.Code = e.ErrorCode()
		}
		e = failed
	}
	x.tell(e)
}

// tell answers with an error as it is.
func (x *exchange) tell(e APIError) {
	status := e.Status()
	if status < 400 || status > 599 {
		status = 500
	}
	if x.protocol() == RestJSON {
		x.writeJSONError(e, status)
	} else {
		x.writeXMLError(e, status)
	}
}

func (x *exchange) internal() *Error {
	return x.protocol().refuse(internalFailure, "An internal error occurred. The log of the server has request %s.", x.request.ID)
}

// write sends an answer, which a client must take at a certain rate. If the request was not read to its end, the
// connection ends with the answer.
func (x *exchange) write(status int, body []byte) {
	x.wrote = true
	if log := x.config.Log; log.Enabled(x.r.Context(), slog.LevelDebug) {
		log.Debug("answered", "service", x.request.Service, "operation", x.request.Operation, "request", x.request.ID, "status", status, "bytes", len(body))
	}
	h, control := x.w.Header(), http.NewResponseController(x.w)
	if !x.complete {
		h["Connection"] = []string{"close"}
		_ = control.SetReadDeadline(time.Now().Add(x.config.Grace)) // the server waits for some of what is left
	}
	h["X-Amzn-Requestid"] = []string{x.request.ID}
	if status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	deadline := time.Now().Add(x.config.Grace + time.Duration(len(body))*time.Second/rate)
	_ = control.SetWriteDeadline(deadline)
	x.w.WriteHeader(status)
	if len(body) > 0 && status != http.StatusNoContent {
		_, _ = x.w.Write(body) // a client that is gone has no use for it
	}
}

func (r *route) status() int {
	if r.Status == 0 {
		return http.StatusOK
	}
	return r.Status
}

// operationName is an operation as AWS's messages call it.
func operationName(operation string) string {
	if operation == "Invoke" {
		return "InvokeFunction"
	}
	return operation
}

// refuseBody answers for a body that was not read to its end.
func (x *exchange) refuseBody(err error, limit int64) {
	p := x.protocol()
	switch {
	case errors.Is(err, errTooLarge):
		x.refuse(p.refuse(tooLarge, "Request must be smaller than %d bytes for the %s operation", limit, operationName(x.request.Operation)))
	case errors.Is(err, errTooSlow):
		x.refuse(p.refuse(tooSlow, "Your socket connection to the server was not read from or written to within the timeout period."))
	case errors.Is(err, errNoMemory):
		x.refuse(p.refuse(tooMany, "Rate exceeded: requests under way hold the memory that there is for them"))
	default:
		x.refuse(p.refuse(badValue, "The request ended before its body was complete")) // most likely nobody is there to read it
	}
}
