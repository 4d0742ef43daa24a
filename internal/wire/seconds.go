package wire

import (
	"strconv"
	"time"
)

// Seconds is a time that JSON has as seconds since 1970.
// https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#timestamps
type Seconds time.Time

// MarshalJSON writes seconds with three decimals.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(s).UnixMilli())/1000, 'f', 3, 64), nil
}
