package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"enilab/internal/lambda"
)

// control serves the lab's own verbs, and the AWS API to who prefers the socket. The socket's mode is who may: this user.
func (d *Daemon) control(aws http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", aws)
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/lab":             d.serveInfo,
		"POST /v1/apply":          d.serveApply,
		"POST /v1/check":          d.serveCheck,
		"POST /v1/invoke":         d.serveInvoke,
		"GET /v1/inspect/{what}":  d.serveInspect,
		"GET /v1/nodes/{name...}": d.serveNode,
		"GET /v1/events":          d.serveEvents,
		"GET /v1/logs/{function}": d.serveLogs,
		"GET /v1/logs/{$}":        d.serveLogs, // of no name, which is refused
		"POST /v1/mode":           d.serveMode,
		"POST /v1/leave":          d.serveLeave,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r); err != nil {
				fail(w, err)
			}
		})
	}
	return mux
}

// maxRequest bounds what a verb may send: an event of 6 MB as JSON, or a topology.
const maxRequest = 16 << 20

func read(w http.ResponseWriter, r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(into); err != nil {
		return &Failure{fmt.Sprintf("the request is not what this daemon expects: %v; is it of another version?", err), true}
	}
	return nil
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = encoder(w).Encode(v) // who has gone needs no answer
	return nil
}

// fail answers with what went wrong, and whose fault it was.
func fail(w http.ResponseWriter, err error) {
	f := new(Failure)
	if !errors.As(err, &f) {
		f = &Failure{Message: err.Error()}
	}
	if coded := (interface{ Status() int })(nil); errors.As(err, &coded) {
		f.Usage = coded.Status() == http.StatusBadRequest
	}
	if errors.As(err, new(usageError)) {
		f.Usage = true
	}
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusInternalServerError
	if f.Usage {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	_ = encoder(w).Encode(f)
}

func (d *Daemon) serveInfo(w http.ResponseWriter, _ *http.Request) error {
	settings := d.settings
	enis := 0
	for _, v := range d.lab.Network.VPCs() {
		enis += len(v.Interfaces())
	}
	resources := len(d.lab.Network.Resources())
	return answer(w, Info{
		Schema: "enilab.lab/v1", Name: d.Name, Version: d.Version, Listen: d.API.Addr().String(), Since: d.since, Recovery: &d.recovery, Settings: settings,
		Counts: map[string]int{
			"vpcs": len(d.lab.Network.VPCs()), "functions": len(d.lab.Lambda.ListFunctions()), "enis": enis - resources,
			"resources": resources, "environments": len(d.lab.Lambda.Environments()),
		},
	})
}

// serveApply answers a line for each change as it is made, and one for the end.
func (d *Daemon) serveApply(w http.ResponseWriter, r *http.Request) error {
	var in ApplyRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	lines := encoder(w)
	flush := http.NewResponseController(w)
	err := d.apply(r.Context(), in, func(a Applied) {
		_ = lines.Encode(a)
		_ = flush.Flush()
	})
	end := Applied{End: true}
	if err != nil {
		end.Error, end.Usage = err.Error(), errors.As(err, new(usageError))
	}
	_ = lines.Encode(end)
	return nil
}

func (d *Daemon) serveInvoke(w http.ResponseWriter, r *http.Request) error {
	var in InvokeRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	function, err := d.lab.Lambda.Ref(in.Function, "")
	if err != nil {
		return err
	}
	// A function does not end because its caller has gone.
	out, err := d.lab.Lambda.Invoke(context.WithoutCancel(r.Context()), lambda.InvokeInput{
		Function: function, Type: lambda.InvocationType(in.Type), Payload: in.Bytes(), Fresh: in.Fresh, LogTail: true,
	})
	if err != nil {
		return err
	}
	result := InvokeResult{
		Schema: "enilab.invoke/v1", RequestID: out.RequestID, Version: out.ExecutedVersion, Environment: out.Environment,
		FunctionError: out.FunctionError, Payload: NewPayload(out.Payload), Log: string(out.LogTail),
	}
	if out.Timeline != nil {
		result.Timeline, result.Total = spans(out.Timeline), out.Timeline.Total.Microseconds()
	}
	return answer(w, result)
}

func (d *Daemon) serveInspect(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("what") == Rules {
		t, err := d.inspectRules(r.URL.Query()["of"])
		if err != nil {
			return err
		}
		return answer(w, t)
	}
	t, ok := d.inspect(r.PathValue("what"))
	if !ok {
		return &Failure{fmt.Sprintf("there is no table %q; there are %v", r.PathValue("what"), slices.Concat(Tables, []string{Rules})), true}
	}
	return answer(w, t)
}

func (d *Daemon) serveNode(w http.ResponseWriter, r *http.Request) error {
	n, err := d.node(r.PathValue("name"))
	if err != nil {
		return err
	}
	return answer(w, n)
}

// eventBacklog is how many events may wait for a slow reader.
const eventBacklog = 4096

func (d *Daemon) serveEvents(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "application/jsonl")
	lines := encoder(w)
	flush := http.NewResponseController(w)
	happened := d.events.Subscribe(r.Context(), eventBacklog)
	_ = flush.Flush()
	for e := range happened {
		if lines.Encode(e) != nil || len(happened) == 0 && flush.Flush() != nil {
			return nil // the reader has gone
		}
	}
	return nil
}

func (d *Daemon) serveLogs(w http.ResponseWriter, r *http.Request) error {
	follow := r.FormValue("follow") == "true"
	function, err := d.lab.Lambda.Ref(r.PathValue("function"), "")
	if err != nil {
		return err
	}
	if function.Qualifier != "" {
		return usageError{fmt.Errorf("%s: a function has one log, of all its versions: leave %q out", r.PathValue("function"), ":"+function.Qualifier)}
	}
	lines, err := d.lab.Lambda.Logs(r.Context(), function.Name, follow)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	if follow {
		_ = flush.Flush()
	}
	for l := range lines {
		_, err := fmt.Fprintf(w, "%s %s %s\n", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"), l.Environment, l.Text)
		if err == nil && follow {
			err = flush.Flush()
		}
		if err != nil {
			return nil // the reader has gone
		}
	}
	return nil
}

func (d *Daemon) serveMode(w http.ResponseWriter, r *http.Request) error {
	var in ModeRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	name, err := d.lab.Lambda.Function(in.Function)
	if err != nil {
		return err
	}
	ref := lambda.FunctionRef{Name: name}
	is, err := d.lab.Lambda.GetFunctionConfiguration(ref)
	if err == nil && !is.VpcConfig.Attached() {
		return usageError{fmt.Errorf("function %s has no VPC: there is one way only to connect it; give it a VpcConfig first", name)}
	}
	if err == nil {
		_, err = d.lab.Lambda.UpdateFunctionConfiguration(r.Context(), lambda.UpdateFunctionConfigurationInput{FunctionName: name, Mode: &in.Mode})
	}
	if err == nil {
		err = d.lab.Lambda.WaitFunctionActive(r.Context(), ref)
	}
	if err != nil {
		return err
	}
	return answer(w, struct{}{})
}

// serveLeave ends the daemon and leaves the lab: for a daemon with other settings. The whole answer is with the kernel by then.
func (d *Daemon) serveLeave(w http.ResponseWriter, _ *http.Request) error {
	const nothing = "{}"
	w.Header().Set("Content-Length", strconv.Itoa(len(nothing)))
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, nothing) // who has gone needs no answer
	_ = http.NewResponseController(w).Flush()
	d.leave()
	return nil
}
