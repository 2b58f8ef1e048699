// Time that is left, counted down on this device's clock from the moment at which the page heard of it.
export default {
  props: { seconds: Number, over: String },
  template: `<time role="timer" class="countdown" :class="{urgent: left < 600, over: left <= 0}">{{ text }}</time>`,
  data() {
    return { deadline: Date.now() + this.seconds * 1000, left: this.seconds };
  },
  computed: {
    text() {
      if (this.left <= 0) return this.over;
      const total = Math.floor(this.left);
      const two = (n) => String(n).padStart(2, "0");
      const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
      return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
    },
  },
  methods: {
    tick() {
      this.left = (this.deadline - Date.now()) / 1000;
    },
  },
  watch: {
    seconds(value) {
      this.deadline = Date.now() + value * 1000;
      this.tick();
    },
  },
  mounted() {
    this.timer = setInterval(() => this.tick(), 1000);
  },
  unmounted() {
    clearInterval(this.timer);
  },
};
