import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** The server that `npm run dev` talks to. */
const server = process.env["NINEFOLD_SERVER"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "/studio/",
  plugins: [react()],
  build: {
    outDir: "../src/ninefold/studio",
    emptyOutDir: true,
    target: "es2022",
    // Policies of the server forbid `data:` and scripts inside pages.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700, // kB, not compressed: react and react-aria
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: { proxy: { "/v1": server } },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing/setup.ts"],
  },
});
