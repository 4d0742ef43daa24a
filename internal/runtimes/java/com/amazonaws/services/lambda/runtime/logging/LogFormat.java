package com.amazonaws.services.lambda.runtime.logging;

/** What a line of the log looks like. */
public enum LogFormat {
    JSON,
    TEXT;

    public static LogFormat fromString(String format) {
        try {
            return valueOf(format.toUpperCase());
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("Invalid log format: '" + format + "' expected one of [JSON, TEXT]");
        }
    }
}
