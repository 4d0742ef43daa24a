package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
)

// exchange is one request and its answer.
type exchange struct {
	*Server
	w http.ResponseWriter
	r *http.Request

	request  Request
	caller   Caller
	auth     *authorization // nil if the request is not signed
	broken   error          // what is wrong with the signature's form
	service  *service       // nil until it is known, and where no service is
	taken    int64          // bytes of memory
	nulls    nulls          // of the body
	complete bool           // the request's body has been read to its end
	wrote    bool           // an answer, or some of it
}

func (s *Server) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{Server: s, w: w, r: r, caller: callerOf(r.Context()), complete: r.ContentLength == 0}
	x.request = Request{ID: uuid.NewString(), Region: s.config.Region, Account: s.config.Account, Host: r.Host, Header: r.Header, Answer: w.Header(), Caller: x.caller}
	if x.auth, x.broken = authorizationOf(r); x.auth != nil {
		x.request.AccessKey, x.request.SessionToken = x.auth.AccessKey, x.auth.token
		if x.auth.Region != "" {
			x.request.Region = x.auth.Region
		}
	}
	return x
}

// end gives back what the exchange took, and answers for a handler that panicked.
func (x *exchange) end() {
	x.memory.give(x.caller.Client, x.taken)
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a panic's value
		panic(p)
	}
	x.config.Log.Error("a handler panicked", "service", x.request.Service, "operation", x.request.Operation,
		"request", x.request.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if x.wrote {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	x.tell(x.internal())
}

// serve finds the operation, reads the request, carries it out and answers.
func (x *exchange) serve() {
	// A deadline of an earlier answer on the connection must not meet this one.
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Time{})

	if x.downloads != nil && strings.HasPrefix(x.r.URL.Path, downloadPath) { // its URL is the right to it
		x.downloads.serve(x.w, x.r, x.config)
		return
	}
	if err := x.screen(); err != nil {
		x.refuse(err)
		return
	}
	switch {
	case x.isForm():
		x.serveForm()
	default:
		x.serveJSON()
	}
}

// screen refuses what no client of AWS sends, and what its caller may not send, as far as the header tells. A signature in
// the query, which a page may write as well as a header it may not, counts only if it is a key's.
func (x *exchange) screen() error {
	p := x.protocol()
	switch {
	case x.caller.Access == Free:
		return nil
	case fromPage(x.r):
		return p.refuse(badOrigin, "This is no request of an AWS client but of a page in a browser")
	case !x.isOwnName(x.r.Host):
		return p.refuse(badOrigin, "This server is not called %q; use its address, or localhost, or have it know the name (enilab up --host)", x.r.Host)
	case x.auth == nil:
		return p.refuse(noSignature, "Request is missing Authentication Token")
	case x.broken != nil:
		return p.refuse(badAuthorization, "%v.", x.broken)
	case x.keyed() && !x.knowsKey():
		return x.unknownKey(p) // before a byte of its body is in memory
	}
	return nil
}

func (x *exchange) knowsKey() bool {
	_, ok := x.caller.secret(x.auth.AccessKey, x.auth.token)
	return ok
}

// keyed tells whether the signature is to be checked.
func (x *exchange) keyed() bool {
	return x.caller.Access == Keyed || x.caller.Access == Signed && x.auth.presigned
}

// serveJSON knows the operation before it reads the body.
func (x *exchange) serveJSON() {
	r := x.findPath()
	if r == nil {
		x.refuse(x.protocol().refuse(unknownOperation, "The requested operation is not known: %s %s", x.r.Method, x.r.URL.Path))
		return
	}
	x.request.Operation = r.Name
	limit := r.MaxBody
	if limit == 0 {
		limit = x.config.MaxBody
	}
	if body, ok := x.read(limit); ok {
		x.carryOut(r, func(in any, v reflect.Value) error { return x.decodeJSON(r, in, v, body) })
	}
}

// serveForm knows the operation, and without a signature even the service, only from the body.
func (x *exchange) serveForm() {
	x.service = x.signedService()
	body, ok := x.read(x.config.MaxForm)
	if !ok {
		return
	}
	f, parameters, err := parseForm(x.r.URL.RawQuery, string(body))
	action, version := f.get("Action"), f.get("Version")
	if x.service == nil {
		x.service = x.findVersion(action, version)
	}
	if err != nil {
		x.refuse(x.protocol().refuse(badValue, "%v", err))
		return
	}
	r := x.findAction(action, version)
	if r == nil {
		x.refuse(x.unknownAction(action, version))
		return
	}
	x.carryOut(r, func(_ any, v reflect.Value) error {
		if name, unknown := r.in.unknownParameter(parameters); unknown {
			return x.unknownParameter(r, name)
		}
		err := f.decode(r.in, v, "")
		if err != nil {
			err = x.protocol().refuse(badValue, "%v", err)
		}
		return err
	})
}

// read reads the body, and checks the signature if it is to be. If it cannot, it answers so.
func (x *exchange) read(limit int64) ([]byte, bool) {
	check := func([]byte) error { return nil }
	if x.keyed() && x.service != nil {
		var err error
		if check, err = x.admit(); err != nil {
			x.refuse(err)
			return nil, false
		}
	}
	body, taken, err := x.readBody(x.w, x.r, x.caller.Client, limit)
	x.taken = taken
	if err != nil {
		x.refuseBody(err, limit)
		return nil, false
	}
	x.complete = true
	if err := check(body); err != nil {
		x.refuse(err)
		return nil, false
	}
	x.request.Verified = x.keyed() && x.service != nil
	return body, true
}

// carryOut has the handler answer.
func (x *exchange) carryOut(r *route, decode func(in any, v reflect.Value) error) {
	if x.keyed() && !x.request.Verified { // a form that is signed for no service of this server
		_, err := x.admit()
		x.refuse(err)
		return
	}
	if x.running.Add(1) > int64(x.config.MaxRequests) {
		x.running.Add(-1)
		x.refuse(x.protocol().refuse(tooMany, "Rate exceeded"))
		return
	}
	defer x.running.Add(-1)

	x.request.Service, x.request.Operation = r.Service.Name, r.Name
	in, v := r.newIn()
	if err := decode(in, v); err != nil {
		x.refuse(err)
		return
	}
	if err := x.check(r, v); err != nil {
		x.refuse(err)
		return
	}
	if err := x.authorize(in); err != nil {
		x.refuse(err)
		return
	}
	ctx := context.WithValue(x.r.Context(), requestKey{}, &x.request)
	out, err := r.call(ctx, in)
	if err != nil {
		x.refuse(err)
		return
	}
	if x.protocol() == RestJSON {
		err = x.encodeJSON(r, out)
	} else {
		err = x.encodeXML(r, out)
	}
	if err != nil {
		x.refuse(err)
	}
}

// authorize refuses what the caller may not do, in the protocol's words.
func (x *exchange) authorize(in any) error {
	if x.config.Authorize == nil {
		return nil
	}
	p, err := x.protocol(), x.config.Authorize(&x.request, in)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrUnknownToken):
		return x.unknownKey(p)
	case errors.Is(err, ErrExpiredToken) && p == EC2Query:
		return p.refuse(expiredToken, "Request has expired.")
	case errors.Is(err, ErrExpiredToken):
		return p.refuse(expiredToken, "The security token included in the request is expired")
	}
	return p.refuse(accessDenied, "%v", err)
}

// check refuses a request that is not as the model says. EC2 has words of its own for what is missing, and its operations
// look at the values themselves.
func (x *exchange) check(r *route, v reflect.Value) error {
	if x.protocol() == EC2Query {
		if path := r.in.missing(v); path != "" {
			return x.protocol().refuse(missingValue, "The request must contain the parameter %s", path)
		}
		return nil
	}
	if list := r.in.violations(v, "", x.nulls); len(list) > 0 {
		return x.protocol().refuse(invalidValue, "%s", validationError(list))
	}
	return nil
}

// protocol is the one to answer in.
func (x *exchange) protocol() Protocol {
	if svc := cmp.Or(x.service, x.signedService()); svc != nil {
		return svc.Protocol
	}
	if x.isForm() {
		return Query
	}
	return RestJSON
}

// isForm tells a request of the query protocols from one of rest-json.
func (x *exchange) isForm() bool {
	if svc := x.signedService(); svc != nil {
		return svc.Protocol != RestJSON
	}
	if x.r.URL.Path != "/" {
		return false
	}
	return strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") ||
		strings.Contains(x.r.URL.RawQuery, "Action=")
}
