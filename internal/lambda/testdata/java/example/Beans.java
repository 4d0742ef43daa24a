package example;

import java.math.BigDecimal;
import java.util.Date;
import java.util.List;
import java.util.Optional;

/** A bean in and out, by a method of its own. */
public class Beans {
    public static class Point {
        private int x;
        private Long far;
        private String isName;
        public String open;
        private boolean good;
        private List<Point> more;

        public int getX() { return x; }

        public void setX(int x) { this.x = x; }

        public Long getFar() { return far; }

        public void setFar(Long far) { this.far = far; }

        public String getIsName() { return isName; }

        public void setIsName(String isName) { this.isName = isName; }

        public boolean isGood() { return good; }

        public void setGood(boolean good) { this.good = good; }

        public List<Point> getMore() { return more; }

        public void setMore(List<Point> more) { this.more = more; }

        public int getZ() { return x + 1; }
    }

    public Point move(Point p) {
        p.setX(p.getX() + 1);
        return p;
    }

    /** What JSON there is for the JDK's types. */
    public Object[] types() {
        return new Object[] {
            new BigDecimal("1.50"), 7L, 2.5f, 'c', new byte[] {1, 2}, new int[] {3}, Optional.of("o"), Optional.empty(), new Date(5), Double.NaN, "\"\u0001ü", java.time.LocalDate.of(2026, 1, 2),
        };
    }

    public static int twice(int n) { return 2 * n; }

    public String nothing() { return null; }

    public void none(String s) { System.out.println("heard " + s); }

    public Object self() {
        java.util.Map<String, Object> m = new java.util.HashMap<>();
        m.put("self", m);
        return m;
    }
}
