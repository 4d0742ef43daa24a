package wire

import (
	"context"
	"fmt"
	"reflect"
)

// Protocol is one of AWS's wire protocols.
type Protocol string

// The protocols, as the models call them. https://smithy.io/2.0/aws/protocols/
const (
	RestJSON Protocol = "rest-json"
	Query    Protocol = "query"
	EC2Query Protocol = "ec2"
)

// Service is an AWS service as its model describes it.
type Service struct {
	Name      string // in a credential's scope, such as "ec2"
	Protocol  Protocol
	Version   string // of the API, a date
	Namespace string // of answers in XML
}

// Spec describes an operation.
type Spec struct {
	Service *Service
	Name    string
	Method  string // of rest-json
	URI     string // of rest-json: a path with members in braces
	Status  int    // of success; zero means 200
	Result  string // of query: the element around an answer
	MaxBody int64  // the largest request in bytes; zero means Config.MaxBody
}

// Operation describes an operation that takes an In and answers an Out.
type Operation[In, Out any] struct{ Spec }

// None is the answer of an operation that has none. A handler may return nil.
type None struct{}

// Handler carries out an operation. Its context ends when the client goes or the server closes, and knows the [Request].
// An error that is no [APIError] is logged, and the client is told of an internal failure.
type Handler[In, Out any] func(ctx context.Context, in *In) (*Out, error)

// Handle gives an operation its handler, before the server serves. Two for one are a mistake of the program's: it panics.
func Handle[In, Out any](s *Server, op Operation[In, Out], handler Handler[In, Out]) {
	s.add(&route{
		Spec: op.Spec, in: planOf(reflect.TypeFor[In]()), out: planOf(reflect.TypeFor[Out]()),
		newIn: func() (any, reflect.Value) {
			in := new(In)
			return in, reflect.ValueOf(in).Elem()
		},
		call: func(ctx context.Context, in any) (reflect.Value, error) {
			out, err := handler(ctx, in.(*In))
			if out == nil {
				out = new(Out)
			}
			return reflect.ValueOf(out).Elem(), err
		},
	})
}

// Value is what an optional member holds; the zero value if it is absent.
func Value[T any](member *T) T {
	if member == nil {
		return *new(T)
	}
	return *member
}

// route is an operation with its handler.
type route struct {
	Spec
	in, out *plan
	newIn   func() (any, reflect.Value)
	call    func(ctx context.Context, in any) (reflect.Value, error)
}

// services are what a server serves; they are complete before it does.
type services struct {
	all    []*service
	byName map[string]*service
}

// service is a Service with its routes.
type service struct {
	*Service
	routes map[string]*route // by operation
	paths  pathTree          // of rest-json
}

func (s *services) add(r *route) {
	svc := s.byName[r.Service.Name]
	if svc == nil {
		svc = &service{Service: r.Service, routes: map[string]*route{}}
		s.all = append(s.all, svc)
		if s.byName == nil {
			s.byName = map[string]*service{}
		}
		s.byName[r.Service.Name] = svc
	}
	if svc.routes[r.Name] != nil {
		panic(fmt.Sprintf("wire: two handlers for %s's %s", r.Service.Name, r.Name))
	}
	svc.routes[r.Name] = r
	if r.Service.Protocol == RestJSON {
		svc.paths.add(r)
	}
}

// Handles tells whether an operation has a handler.
func (s *Server) Handles(op Spec) bool {
	svc := s.byName[op.Service.Name]
	return svc != nil && svc.routes[op.Name] != nil
}
