package enilab.runtime;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON (RFC 8259) as maps, lists, strings, numbers, booleans and null; {@link Binding} makes of them what a handler takes. */
final class Json {
    private static final int DEEPEST = 1000;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json j = new Json(text);
        Object value = j.value();
        if (j.peek() >= 0) throw j.bad("the end");
        return value;
    }

    private IllegalArgumentException bad(String wanted) {
        String found = at < text.length() ? "'" + text.charAt(at) + "'" : "the end";
        return new IllegalArgumentException("JSON: expected " + wanted + " at character " + at + ", found " + found);
    }

    /** The next character that is no space, or -1. */
    private int peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        return at < text.length() ? text.charAt(at) : -1;
    }

    private boolean take(char c) {
        if (peek() != c) return false;
        at++;
        return true;
    }

    private Object value() {
        int c = peek();
        switch (c) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", true);
            case 'f':
                return word("false", false);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw bad(word);
        at += word.length();
        return value;
    }

    private void enter() {
        at++;
        if (++depth > DEEPEST) throw bad("no more than " + DEEPEST + " levels");
    }

    private Map<String, Object> object() {
        Map<String, Object> map = new LinkedHashMap<>();
        enter();
        if (!take('}')) {
            do {
                if (peek() != '"') throw bad("a name");
                String name = string();
                if (!take(':')) throw bad("':'");
                map.put(name, value());
            } while (take(','));
            if (!take('}')) throw bad("'}'");
        }
        depth--;
        return map;
    }

    private List<Object> array() {
        List<Object> list = new ArrayList<>();
        enter();
        if (!take(']')) {
            do list.add(value()); while (take(','));
            if (!take(']')) throw bad("']'");
        }
        depth--;
        return list;
    }

    private String string() {
        StringBuilder b = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return b.toString();
            }
            b.append(c == '\\' ? escaped() : c);
        }
        throw bad("'\"'");
    }

    private char escaped() {
        if (++at == text.length()) throw bad("an escaped character");
        char c = text.charAt(at);
        int known = "\"\\/bfnrt".indexOf(c);
        if (known >= 0) return "\"\\/\b\f\n\r\t".charAt(known);
        if (c != 'u' || at + 4 >= text.length()) throw bad("an escaped character");
        try {
            char unit = (char) Integer.parseInt(text.substring(at + 1, at + 5), 16);
            at += 4;
            return unit;
        } catch (NumberFormatException e) {
            throw bad("four hexadecimal digits");
        }
    }

    private Number number() {
        int start = at;
        boolean whole = true;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            whole &= ".eE".indexOf(text.charAt(at)) < 0;
            at++;
        }
        String digits = text.substring(start, at);
        try {
            if (!whole) return new BigDecimal(digits).doubleValue();
            BigInteger n = new BigInteger(digits);
            if (n.bitLength() < 32) return n.intValue();
            if (n.bitLength() < 64) return n.longValue();
            return n;
        } catch (NumberFormatException e) {
            at = start;
            throw bad("a value");
        }
    }

    static void quote(CharSequence s, StringBuilder b) {
        b.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            int known = "\"\\\b\f\n\r\t".indexOf(c);
            if (known >= 0) b.append('\\').append("\"\\bfnrt".charAt(known));
            else if (c < ' ') b.append(String.format("\\u%04x", (int) c));
            else b.append(c);
        }
        b.append('"');
    }
}
