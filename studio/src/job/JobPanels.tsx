import "../ui/tabs.css";
import { Link, Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { OtherFormats } from "../again/OtherFormats";
import { RerunPanel } from "../again/RerunPanel";
import { Variations } from "../again/Variations";
import type { JobDocument } from "../api/types";
import { routes } from "../app/routes";
import type { Regions } from "../jobs/pictures";
import { Versions } from "../lineage/Versions";
import { Downloads } from "./Downloads";
import { Facts } from "./Facts";
import { Marks } from "./Marks";
import { RegionList } from "./RegionList";

/** A region that is pointed at: the detailer that painted it, and its place there. */
export interface Pointed {
  readonly step: string;
  readonly index: number;
}

interface Panel {
  readonly id: string;
  readonly label: string;
  readonly content: (props: Props) => React.ReactNode;
}

const PANELS: readonly Panel[] = [
  { id: "stages", label: "How it was made", content: ({ job }) => <Facts job={job} /> },
  { id: "regions", label: "Regions", content: AllRegions },
  { id: "again", label: "Again", content: Again },
  { id: "versions", label: "Versions", content: ({ job }) => <Versions jobId={job.id} /> },
  { id: "marks", label: "Marks", content: ({ job }) => <Marks job={job} /> },
  { id: "files", label: "Files", content: Files },
];

/** The panel that an address names, where the job has it; else the first. */
export function panelOf(name: string | null, regions: readonly Regions[]): string {
  return panelsOf(regions).find(({ id }) => id === name)?.id ?? "stages";
}

function panelsOf(regions: readonly Regions[]): readonly Panel[] {
  return PANELS.filter(({ id }) => id !== "regions" || regions.length > 0);
}

interface Props {
  readonly job: JobDocument;
  readonly regions: readonly Regions[];
  /** Id of the panel that is open. */
  readonly panel: string;
  readonly onPanel: (id: string) => void;
  readonly onPoint: (region: Pointed | null) => void;
}

/** What there is to know of a job beside its picture, and what can be made of it. */
export function JobPanels(props: Props) {
  const panels = panelsOf(props.regions);
  return (
    <Tabs
      className="panels card"
      selectedKey={props.panel}
      onSelectionChange={(key) => props.onPanel(String(key))}
    >
      <TabList aria-label="About this job" className="tabs">
        {panels.map(({ id, label }) => (
          <Tab key={id} id={id}>
            {label}
          </Tab>
        ))}
      </TabList>
      {panels.map(({ id, content: Content }) => (
        <TabPanel key={id} id={id}>
          <Content {...props} />
        </TabPanel>
      ))}
    </Tabs>
  );
}

function AllRegions({ job, regions, onPoint }: Props) {
  return (
    <div className="stack">
      {regions.map((found) => (
        <RegionList
          key={found.step}
          job={job}
          found={found}
          titled={regions.length > 1}
          onPoint={(index) => onPoint(index === null ? null : { step: found.step, index })}
        />
      ))}
    </div>
  );
}

function Files({ job }: Props) {
  return (
    <div className="stack">
      <Downloads job={job} />
      <OtherFormats job={job} />
    </div>
  );
}

function Again({ job }: Props) {
  return (
    <div className="stack">
      <RerunPanel job={job} />
      <Variations job={job} />
      <div className="row">
        <Link className="button plain" href={routes.newGrid(job.id)}>
          Grid over two parameters
        </Link>
        <Link className="button plain" href={routes.composeFrom(job.id)}>
          Compose from it
        </Link>
      </div>
    </div>
  );
}
