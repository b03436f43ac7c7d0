import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { RouterProvider } from "react-aria-components";
import { Route, Router, Switch, useLocation } from "wouter";
import { UNTIL_BACK } from "../api/untilBack";
import { ComposePage } from "../compose/ComposePage";
import { SessionGate } from "../session/SessionGate";
import { EmptyState } from "../ui/EmptyState";
import { Boundary } from "./Boundary";
import { Frame } from "./Frame";

/** The scripts of the pages, the first page's aside. */
const scripts = {
  job: () => import("../job/JobPage"),
  grid: () => import("../grid/GridPage"),
  newGrid: () => import("../grid/NewGridPage"),
  group: () => import("../group/GroupPage"),
  inpaint: () => import("../again/InpaintPage"),
  queue: () => import("../queue/QueuePage"),
  library: () => import("../library/LibraryPage"),
  compare: () => import("../library/ComparePage"),
  batch: () => import("../batch/BatchPage"),
  settings: () => import("../settings/SettingsPage"),
};
const JobPage = lazy(scripts.job);
const GridPage = lazy(scripts.grid);
const NewGridPage = lazy(scripts.newGrid);
const GroupPage = lazy(scripts.group);
const InpaintPage = lazy(scripts.inpaint);
const QueuePage = lazy(scripts.queue);
const LibraryPage = lazy(scripts.library);
const ComparePage = lazy(scripts.compare);
const BatchPage = lazy(scripts.batch);
const SettingsPage = lazy(scripts.settings);

/** Milliseconds after the first page, in which it has loaded what it shows. */
const SETTLED = 2_000;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      ...UNTIL_BACK,
      staleTime: 5_000,
      // A server on the same machine or network is there without the internet, too.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Router base="/studio">
        <Pages />
      </Router>
    </QueryClientProvider>
  );
}

function Pages() {
  const [here, navigate] = useLocation();
  useEffect(() => {
    // A server that goes away later takes no page along.
    const timer = setTimeout(() => {
      for (const load of Object.values(scripts)) load().catch(() => undefined);
    }, SETTLED);
    return () => clearTimeout(timer);
  }, []);
  return (
    <RouterProvider navigate={navigate} useHref={(href) => `/studio${href}`}>
      <SessionGate>
        <Frame>
          <Boundary key={here}>
            <Suspense fallback={<p role="status">Loading…</p>}>
              <Switch>
                <Route path="/">
                  <ComposePage />
                </Route>
                <Route path="/jobs/:id">{({ id }) => <JobPage key={id} id={decoded(id)} />}</Route>
                <Route path="/jobs/:id/inpaint">
                  {({ id }) => <InpaintPage key={id} id={decoded(id)} />}
                </Route>
                <Route path="/grids/new" component={NewGridPage} />
                <Route path="/grids/:id">
                  {({ id }) => <GridPage key={id} id={decoded(id)} />}
                </Route>
                <Route path="/groups/:id">
                  {({ id }) => <GroupPage key={id} id={decoded(id)} />}
                </Route>
                <Route path="/queue" component={QueuePage} />
                <Route path="/library" component={LibraryPage} />
                <Route path="/compare" component={ComparePage} />
                <Route path="/batch" component={BatchPage} />
                <Route path="/settings" component={SettingsPage} />
                <Route>
                  <EmptyState title="There is no such page" isPage>
                    The address may be mistyped. The pages are in the menu.
                  </EmptyState>
                </Route>
              </Switch>
            </Suspense>
          </Boundary>
        </Frame>
      </SessionGate>
    </RouterProvider>
  );
}

/** A part of the address as it was before it was written there; what was not is taken as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
