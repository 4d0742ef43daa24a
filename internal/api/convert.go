package api

import (
	"fmt"

	"enilab/internal/wire"
)

// convert makes each of a list into what the other side calls it. The list is never nil: an answer shows it, even empty.
func convert[From, To any](list []From, one func(From) To) []To {
	made := make([]To, len(list))
	for i, v := range list {
		made[i] = one(v)
	}
	return made
}

// int32Of is integer's reverse.
func int32Of(p *int) *int32 {
	if p == nil {
		return nil
	}
	return new(int32(*p))
}

// refusal is an error that this package finds before it asks a control plane.
func refusal(code, format string, args ...any) error {
	return &wire.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// refusalWith is a refusal with an HTTP status of its own.
func refusalWith(status int, code, format string, args ...any) error {
	return &wire.Error{Code: code, Message: fmt.Sprintf(format, args...), HTTPStatus: status}
}
