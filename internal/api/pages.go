package api

import (
	"fmt"
	"math"
	"strconv"

	"enilab/internal/lambda"
	"enilab/internal/paging"
	api "enilab/internal/wire/lambdaapi"
)

// maxItems is the most, and the usual number, of items in one of Lambda's answers.
// https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
const maxItems = 50

// pageOf is a page of a list of Lambda's, which its key orders.
func pageOf[T any](
	operation string, all []T, key func(T) string, marker *string, items *int32,
) (page []T, next *string, err error) {
	n := maxItems
	if items != nil {
		n = min(max(int(*items), 1), maxItems)
	}
	page, token, known := paging.Page(operation, all, key, given(marker), n)
	if !known {
		return nil, nil, &lambda.Error{Code: lambda.InvalidParameterValue, Message: "Marker is none that this list has given"}
	}
	return page, set(token), nil
}

// functionPage is a page of a list of functions or of their versions: by name, then $LATEST, then by number.
func functionPage(
	operation string, all []lambda.FunctionConfiguration, marker *string, items *int32,
) (out []api.FunctionConfiguration, next *string, err error) {
	page, next, err := pageOf(operation, all, func(c lambda.FunctionConfiguration) string {
		number, _ := strconv.ParseInt(c.Version, 10, 64) // zero for $LATEST
		return c.FunctionName + "\x00" + ascending(number)
	}, marker, items)
	for _, c := range page {
		out = append(out, listed(c))
	}
	return out, next, err
}

// ascending and descending are keys that order numbers, which are not negative.
func ascending(n int64) string  { return fmt.Sprintf("%019d", n) }
func descending(n int64) string { return ascending(math.MaxInt64 - n) }
